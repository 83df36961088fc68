// POST /v1/completions: prompts without a chat template, at once or as a stream of chunks.
import { isUtf8 } from 'node:buffer';
import { Hono } from 'hono';
import { unixSeconds } from '../../lib/clock.ts';
import { newId } from '../../lib/id.ts';
import type { PromptToken, TokenLogprob } from '../../serve/protocol.ts';
import type { Deps } from '../deps.ts';
import { invalidValue } from '../errors.ts';
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
import { CreateCompletion, promptsOf } from '../schemas/completions.ts';
import { checkSampling, choiceSeed, samplingOf } from '../schemas/sampling.ts';
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
  readonly candidates: number;
  readonly n: number;
  readonly logprobs: boolean;
};

function planOf(body: CreateCompletion): Plan {
  const candidates = body.best_of ?? body.n;
  if (candidates < body.n) throw invalidValue('best_of', "it must be at least 'n'.");
  if (candidates > body.n && body.stream)
    throw invalidValue('best_of', 'it cannot be streamed; leave it out or send stream: false.');
  const choices = promptsOf(body.prompt).flatMap((prompt) =>
    Array.from({ length: candidates }, (_, i) => ({
      prompt,
      maxTokens: body.max_tokens,
      ...samplingOf(body),
      seed: choiceSeed(body.seed, i),
      echo: body.echo,
      // The best candidate is chosen by its log-probabilities.
      logprobs: body.logprobs ?? (candidates > body.n ? 0 : null),
    })),
  );
  return { choices, candidates, n: body.n, logprobs: body.logprobs !== undefined };
}

async function answer(
  events: AsyncGenerator<ChoiceEvent>,
  { choices, candidates, n, logprobs }: Plan,
) {
  const all = await gather(events, choices.length);
  const chosen = Array.from({ length: all.length / candidates }, (_, p) =>
    best(all.slice(p * candidates, (p + 1) * candidates), n),
  ).flat();
  return {
    choices: chosen.map((choice, index) => ({
      text: choice.echo.text + choice.text,
      index,
      logprobs: logprobs ? wireLogprobs([...choice.echo.tokens, ...choice.logprobs], 0) : null,
      finish_reason: choice.end.finishReason,
    })),
    usage: usageOf(
      all.map(({ end }) => end),
      candidates,
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
  { choices, n, logprobs }: Plan,
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
  const ends: End[] = [];
  const offsets = choices.map(() => 0);
  for await (const { index, event } of events) {
    if (event.type === 'end') {
      ends[index] = event;
      yield chunk(index, '', event.finishReason, null);
      continue;
    }
    const tokens = event.echo ?? event.logprobs ?? [];
    yield chunk(index, event.text, null, logprobs ? wireLogprobs(tokens, offsets[index]!) : null);
    offsets[index]! += tokens.reduce((sum, token) => sum + characters(token), 0);
  }
  if (withUsage) yield { ...head, choices: [], usage: usageOf(ends, n) };
}

/** `offset`: characters of the text before the first of these tokens. */
function wireLogprobs(tokens: readonly PromptToken[], offset: number) {
  let at = offset;
  return {
    tokens: tokens.map(nameOf),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    // The chosen token is listed too, so that up to k + 1 stand here.
    top_logprobs: tokens.map((token) =>
      token.logprob === null ? null : byName([...token.top, { ...token, logprob: token.logprob }]),
    ),
    text_offset: tokens.map((token) => {
      const start = at;
      at += characters(token);
      return start;
    }),
  };
}

type Scored = Pick<TokenLogprob, 'token' | 'bytes' | 'logprob'>;

/** Different tokens may have one name: the likelier one counts. */
function byName(tokens: readonly Scored[]): Record<string, number> {
  const scores = new Map<string, number>();
  for (const token of tokens) {
    const name = nameOf(token);
    scores.set(name, Math.max(token.logprob, scores.get(name) ?? Number.NEGATIVE_INFINITY));
  }
  return Object.fromEntries(scores);
}

type Named = Pick<TokenLogprob, 'token' | 'bytes'>;

const isPartial = ({ token, bytes }: Named) =>
  token.includes('\ufffd') && !isUtf8(Buffer.from(bytes));

/** Part of a character has no text; the original writes its bytes. */
const nameOf = (token: Named) =>
  isPartial(token)
    ? `bytes:${token.bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
    : token.token;

/** A character counts where it begins. */
const characters = (token: Named) =>
  isPartial(token)
    ? token.bytes.filter((byte) => (byte & 0xc0) !== 0x80).length
    : [...token.token].length;
