// /v1/fine_tuning/alpha/graders: is a grader sound, and what does it say about a text.
import { Hono } from 'hono';
import { faults, formulaFault } from '../../graders/check.ts';
import { Grader, partsOf } from '../../graders/grader.ts';
import type { AskModel } from '../../graders/model-grader.ts';
import { errorsOf } from '../../graders/problem.ts';
import { type Grade, runGrader, type Use } from '../../graders/run.ts';
import { CodedError } from '../../lib/coded-error.ts';
import type { Deps } from '../deps.ts';
import { dotted, fromIssues, invalidValue, unsupported } from '../errors.ts';
import { gather, generate, usableModel } from '../generate.ts';
import { readBody } from '../read-body.ts';
import { RunGrader, ValidateGrader } from '../schemas/graders.ts';

export function graders(deps: Deps): Hono {
  const { config, clock } = deps;
  return new Hono()
    .post('/validate', async (c) => {
      const body = await readBody(c, ValidateGrader, config);
      const grader = await soundGrader(body.grader, deps);
      const fault = grader.type === 'multi' ? formulaFault(grader) : null;
      if (fault !== null) throw invalidValue('grader.calculate_output', `${fault}.`);
      return c.json({ grader: body.grader });
    })
    .post('/run', async (c) => {
      const body = await readBody(c, RunGrader, config);
      const grader = await soundGrader(body.grader, deps);
      const start = clock.now();
      const facts = { item: body.item, sample: body.model_sample };
      const grade = await runGrader(grader, facts, asker(deps, c.req.raw.signal));
      return c.json(wireGrade(grader, grade, (clock.now() - start) / 1000));
    });
}

async function soundGrader(raw: unknown, deps: Deps): Promise<Grader> {
  const parsed = Grader.safeParse(raw);
  if (!parsed.success) throw fromIssues(parsed.error.issues, raw, ['grader']);
  const grader = parsed.data;
  for (const { path, part } of partsWithPaths(grader)) {
    if (part.type === 'python')
      throw unsupported(
        dotted(['grader', ...path]),
        "graders of type 'python' need a sandbox, and this server has none",
      );
    if ('model' in part) await usableModel(part.model, deps);
  }
  for (const { path, message } of faults(grader))
    throw invalidValue(dotted(['grader', ...path]), `${message}.`);
  return grader;
}

function partsWithPaths(grader: Grader) {
  if (grader.type !== 'multi') return [{ path: [], part: grader }];
  const list = Array.isArray(grader.graders);
  return partsOf(grader).map((part, i) => ({
    path: ['graders', list ? i : part.key],
    part: part.grader,
  }));
}

const GRADE_TOKENS = 512; // a small model that rambles must end

const asker =
  (deps: Deps, signal: AbortSignal): AskModel =>
  async ({ model, messages, temperature, topP, seed, maxTokens, schema }) => {
    const resolved = await usableModel(model, deps);
    const ask = async (limit: number | null) => {
      const prompt = { kind: 'chat' as const, messages: [...messages] };
      const request = { prompt, temperature, topP, seed, stop: [], logprobs: null };
      const json = schema === null ? {} : { json: { schema, param: 'grader' } };
      const choice = { ...request, ...json, maxTokens: limit };
      const [answer] = await gather(generate(resolved, [choice], signal, deps), 1);
      return answer!; // one request, one choice
    };
    const fit = (error: unknown) => {
      // The model's context is smaller than that: until it is full.
      const tooMuch = error instanceof CodedError && error.code === 'context_length_exceeded';
      if (maxTokens === null && tooMuch) return ask(null);
      throw error;
    };
    const { text, end } = await ask(maxTokens ?? GRADE_TOKENS).catch(fit);
    const { finishReason, promptTokens, completionTokens } = end;
    return { text, finishReason, promptTokens, completionTokens };
  };

const wireGrade = (
  grader: Grader,
  { reward, problems, subRewards, uses }: Grade,
  seconds: number,
) => ({
  reward,
  metadata: {
    name: grader.name,
    type: grader.type,
    errors: errorsOf(problems),
    execution_time: seconds,
    scores: {},
    token_usage:
      uses.length === 0 ? null : uses.reduce((sum, use) => sum + wireUse(use).total_tokens, 0),
    sampled_model_name: uses.at(-1)?.model ?? null,
  },
  sub_rewards: subRewards,
  model_grader_token_usage_per_model: perModel(uses),
});

const wireUse = ({ promptTokens, completionTokens }: Omit<Use, 'model'>) => ({
  prompt_tokens: promptTokens,
  total_tokens: promptTokens + completionTokens,
  completion_tokens: completionTokens,
  cached_tokens: 0,
});

function perModel(uses: readonly Use[]) {
  const sums = new Map<string, Omit<Use, 'model'>>();
  for (const { model, promptTokens, completionTokens } of uses) {
    const before = sums.get(model) ?? { promptTokens: 0, completionTokens: 0 };
    sums.set(model, {
      promptTokens: before.promptTokens + promptTokens,
      completionTokens: before.completionTokens + completionTokens,
    });
  }
  return Object.fromEntries([...sums].map(([model, sum]) => [model, wireUse(sum)]));
}
