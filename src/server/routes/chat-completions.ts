// POST /v1/chat/completions, at once or as a stream of chunks.
import { type Context, Hono } from 'hono';
import { unixSeconds } from '../../lib/clock.ts';
import { newId } from '../../lib/id.ts';
import type { CallDelta, TokenLogprob } from '../../serve/protocol.ts';
import type { Deps } from '../deps.ts';
import { invalidValue } from '../errors.ts';
import {
  type Call,
  type ChoiceEvent,
  type ChoiceRequest,
  type End,
  gather,
  generate,
  usableModel,
  usageOf,
} from '../generate.ts';
import { readBody } from '../read-body.ts';
import { CreateChatCompletion, jsonOf, plainMessages } from '../schemas/chat-completions.ts';
import { checkSampling, choiceSeed, samplingOf } from '../schemas/sampling.ts';
import { toolsOf } from '../schemas/tools.ts';
import { primed, sseResponse } from '../sse.ts';

export function chatCompletions(deps: Deps): Hono {
  return new Hono().post('/', async (c) => {
    const body = await readBody(c, CreateChatCompletion, deps.config);
    checkSampling(body, deps.config.strict);
    const choices = choicesOf(body);
    const model = await usableModel(body.model, deps);
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, c.req.raw.signal]);
    const events = generate(model, choices, signal, deps);
    const head = {
      id: newId('chatcmpl-', 29),
      created: unixSeconds(deps.clock.now()),
      model: body.model,
    };
    const older = body.functions.length > 0;
    if (!body.stream) return await answer(c, head, events, choices, older);
    const usage = body.stream_options?.include_usage ?? false;
    const stream = chunks(await primed(events), head, choices, { usage, older });
    return sseResponse(stream, { stop: () => abort.abort(), log: deps.log });
  });
}

function choicesOf(body: CreateChatCompletion): ChoiceRequest[] {
  if (body.top_logprobs !== undefined && body.top_logprobs > 0 && !body.logprobs)
    throw invalidValue('top_logprobs', "it needs 'logprobs': true.");
  const choice: Omit<ChoiceRequest, 'seed'> = {
    prompt: { kind: 'chat', messages: plainMessages(body.messages) },
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    ...samplingOf(body),
    ...jsonOf(body.response_format),
    tools: toolsOf(body),
    logprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
  };
  return Array.from({ length: body.n }, (_, i) => ({ ...choice, seed: choiceSeed(body.seed, i) }));
}

type Head = { readonly id: string; readonly created: number; readonly model: string };
const COMMON = { system_fingerprint: null, service_tier: 'default' };

async function answer(
  c: Context,
  head: Head,
  events: AsyncGenerator<ChoiceEvent>,
  { length: n, 0: first }: readonly ChoiceRequest[],
  older: boolean,
) {
  const choices = await gather(events, n);
  return c.json({
    object: 'chat.completion',
    ...head,
    ...COMMON,
    choices: choices.map(({ text, calls, logprobs, end }, index) => ({
      index,
      message: {
        role: 'assistant',
        content: text === '' && calls.length > 0 ? null : text,
        refusal: null,
        annotations: [],
        ...(calls.length > 0 && wireCalls(calls, older)),
      },
      logprobs: first?.logprobs === null ? null : wireLogprobs(logprobs),
      finish_reason: finishReason(end, calls.length > 0, older),
    })),
    usage: wireUsage(choices.map(({ end }) => end)),
  });
}

/** `older`: the request spoke of functions, not tools. */
function wireCalls(calls: readonly Call[], older: boolean) {
  if (older) return { function_call: calls[0] };
  const tool_calls = calls.map((call) => ({
    id: newId('call_', 24),
    type: 'function',
    function: call,
  }));
  return { tool_calls };
}

function finishReason({ finishReason: reason }: End, called: boolean, older: boolean): string {
  if (!called || reason === 'length') return reason;
  return older ? 'function_call' : 'tool_calls';
}

/** The first delta of a call has all but its arguments. */
function callDelta({ index, name, arguments: part }: CallDelta, older: boolean) {
  if (older) return { function_call: { ...(name !== undefined && { name }), arguments: part } };
  const call =
    name === undefined
      ? { index, function: { arguments: part } }
      : { index, id: newId('call_', 24), type: 'function', function: { name, arguments: part } };
  return { tool_calls: [call] };
}

async function* chunks(
  events: AsyncGenerator<ChoiceEvent>,
  head: Head,
  { length: n }: readonly ChoiceRequest[],
  { usage: withUsage, older }: { readonly usage: boolean; readonly older: boolean },
) {
  const chunk = (
    index: number,
    delta: object,
    finish_reason: string | null,
    logprobs: object | null = null,
  ) => ({
    object: 'chat.completion.chunk',
    ...head,
    ...COMMON,
    choices: [{ index, delta, logprobs, finish_reason }],
    ...(withUsage ? { usage: null } : {}),
  });
  for (let index = 0; index < n; index++)
    yield chunk(index, { role: 'assistant', content: '' }, null);
  const ends: End[] = [];
  const called = new Set<number>();
  for await (const { index, event } of events) {
    if (event.type === 'end') {
      ends[index] = event;
      yield chunk(index, {}, finishReason(event, called.has(index), older));
      continue;
    }
    const { text, calls = [], logprobs } = event;
    if (text !== '' || calls.length === 0)
      yield chunk(index, { content: text }, null, logprobs && wireLogprobs(logprobs));
    for (const call of calls) {
      called.add(index);
      yield chunk(index, callDelta(call, older), null);
    }
  }
  if (withUsage)
    yield {
      object: 'chat.completion.chunk',
      ...head,
      ...COMMON,
      choices: [],
      usage: wireUsage(ends),
    };
}

const wireLogprobs = (tokens: readonly TokenLogprob[]) => ({
  content: tokens.map(({ top, ...token }) => ({ ...token, top_logprobs: top })),
  refusal: null,
});

const wireUsage = (ends: readonly End[]) => ({
  ...usageOf(ends, ends.length),
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
});
