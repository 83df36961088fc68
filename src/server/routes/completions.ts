// POST /v1/completions: prompts without a chat template, at once or as a stream of chunks.
import { Hono } from 'hono';
import { unixSeconds } from '../../lib/clock.ts';
import { newId } from '../../lib/id.ts';
import type { TokenLogprob } from '../../serve/protocol.ts';
import type { Deps } from '../deps.ts';
import { invalidValue, unsupported } from '../errors.ts';
import {
  type Choice,
  type ChoiceEvent,
  type ChoiceRequest,
  type End,
  gather,
  generate,
  usableModel,
  usageOf,
} from '../generate.ts';
import { readBody } from '../read-body.ts';
import { CreateCompletion, type OnePrompt, promptsOf } from '../schemas/completions.ts';
import { checkSampling, choiceSeed } from '../schemas/sampling.ts';
import { primed, sseResponse } from '../sse.ts';

export function completions(deps: Deps): Hono {
  return new Hono().post('/', async (c) => {
    const body = await readBody(c, CreateCompletion, deps.config);
    checkSampling(body, deps.config.strict);
    const plan = planOf(body);
    const model = await usableModel(body.model, deps);
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, c.req.raw.signal]);
    const events = generate(model, plan.choices, signal, deps);
    const head = {
      id: newId('cmpl-'),
      object: 'text_completion',
      created: unixSeconds(deps.clock.now()),
      model: body.model,
    };
    if (!body.stream) return c.json({ ...head, ...(await answer(events, plan)) });
    const usage = body.stream_options?.include_usage ?? false;
    const stream = chunks(await primed(events), head, plan, usage);
    return sseResponse(stream, { stop: () => abort.abort(), log: deps.log });
  });
}

type Plan = {
  /** `candidates` for each prompt, in the order of the prompts. */
  readonly choices: readonly ChoiceRequest[];
  /** What precedes the text of each prompt's choices. */
  readonly echoes: readonly string[];
  readonly candidates: number;
  readonly n: number;
  readonly logprobs: boolean;
};

function planOf(body: CreateCompletion): Plan {
  const candidates = body.best_of ?? body.n;
  if (candidates < body.n) throw invalidValue('best_of', "it must be at least 'n'.");
  if (candidates > body.n && body.stream)
    throw invalidValue('best_of', 'it cannot be streamed; leave it out or send stream: false.');
  if (body.echo && body.logprobs !== undefined)
    throw unsupported('echo', "together with 'logprobs'; leave one of them out");
  const prompts = promptsOf(body.prompt);
  const choices = prompts.flatMap((prompt) =>
    Array.from({ length: candidates }, (_, i) => ({
      prompt,
      maxTokens: body.max_tokens,
      temperature: body.temperature,
      topP: body.top_p,
      seed: choiceSeed(body.seed, i),
      stop: body.stop,
      // The best candidate is chosen by its log-probabilities.
      logprobs: body.logprobs ?? (candidates > body.n ? 0 : null),
    })),
  );
  const echoes = prompts.map((prompt) => (body.echo ? echoOf(prompt) : ''));
  return { choices, echoes, candidates, n: body.n, logprobs: body.logprobs !== undefined };
}

function echoOf(prompt: OnePrompt): string {
  if (prompt.kind === 'text') return prompt.text;
  throw unsupported('echo', 'with a prompt of token ids; send the prompt as text');
}

async function answer(events: AsyncGenerator<ChoiceEvent>, plan: Plan) {
  const all = await gather(events, plan.choices.length);
  const chosen = plan.echoes.flatMap((echo, p) =>
    best(all.slice(p * plan.candidates, (p + 1) * plan.candidates), plan.n).map((choice) => ({
      echo,
      choice,
    })),
  );
  return {
    choices: chosen.map(({ echo, choice }, index) => ({
      text: echo + choice.text,
      index,
      logprobs: plan.logprobs ? wireLogprobs(choice.logprobs, 0) : null,
      finish_reason: choice.end.finishReason,
    })),
    usage: usageOf(
      all.map(({ end }) => end),
      plan.candidates,
    ),
  };
}

/** The `n` candidates with the highest mean log-probability per token. */
function best(candidates: readonly Choice[], n: number): readonly Choice[] {
  if (candidates.length === n) return candidates;
  const mean = ({ logprobs }: Choice) =>
    logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / Math.max(1, logprobs.length);
  return [...candidates].sort((a, b) => mean(b) - mean(a)).slice(0, n);
}

async function* chunks(
  events: AsyncGenerator<ChoiceEvent>,
  head: object,
  { choices, echoes, n, logprobs }: Plan,
  withUsage: boolean,
) {
  const chunk = (
    index: number,
    text: string,
    finish_reason: string | null,
    scores: object | null,
  ) => ({
    ...head,
    choices: [{ text, index, logprobs: scores, finish_reason }],
    ...(withUsage ? { usage: null } : {}),
  });
  for (const [p, echo] of echoes.entries())
    for (let k = 0; k < n && echo !== ''; k++) yield chunk(p * n + k, echo, null, null);
  const ends: End[] = [];
  const offsets = choices.map(() => 0);
  for await (const { index, event } of events) {
    if (event.type === 'end') {
      ends[index] = event;
      yield chunk(index, '', event.finishReason, null);
      continue;
    }
    const scores = logprobs ? wireLogprobs(event.logprobs ?? [], offsets[index]!) : null;
    for (const { token } of event.logprobs ?? []) offsets[index]! += [...token].length;
    yield chunk(index, event.text, null, scores);
  }
  if (withUsage) yield { ...head, choices: [], usage: usageOf(ends, n) };
}

/** `offset`: characters of the completion before the first of these tokens. */
function wireLogprobs(tokens: readonly TokenLogprob[], offset: number) {
  let at = offset;
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    // The chosen token is listed too, so that up to k + 1 stand here.
    top_logprobs: tokens.map(({ token, logprob, top }) =>
      Object.fromEntries([
        ...top.map((other) => [other.token, other.logprob] as const),
        [token, logprob],
      ]),
    ),
    text_offset: tokens.map(({ token }) => {
      const start = at;
      at += [...token].length;
      return start;
    }),
  };
}
