// Runs the choices of one completion request side by side, and gathers or interleaves what they yield.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ResolvedModel } from '../jobs/jobs.ts';
import type { HostEvent } from '../serve/client.ts';
import type { PromptToken, SampleRequest, TokenLogprob } from '../serve/protocol.ts';
import type { Deps } from './deps.ts';
import { modelNotUsable } from './errors.ts';

export type End = Extract<HostEvent, { type: 'end' }>;
export type ChoiceRequest = Omit<SampleRequest, 'id' | 'adapter'>;
export type ChoiceEvent = { readonly index: number; readonly event: HostEvent };
export type Choice = {
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[];
  /** The prompt, where it was asked for. */
  readonly echo: { readonly text: string; readonly tokens: readonly PromptToken[] };
  readonly calls: readonly Call[];
  readonly end: End;
};
export type Call = { readonly name: string; readonly arguments: string };

export async function usableModel(name: string, { jobs }: Deps): Promise<ResolvedModel> {
  const model = await jobs.resolve(name);
  if (model === null) throw modelNotUsable(name);
  return model;
}

// One request must not fill the queue of its model, in which the others wait too.
const AT_A_TIME = 8;

/** Events of all choices in the order of their arrival; leaving early stops every choice. */
export async function* generate(
  { base, adapter }: ResolvedModel,
  choices: readonly ChoiceRequest[],
  signal: AbortSignal,
  { sample }: Deps,
): AsyncGenerator<ChoiceEvent> {
  // Choices that start when the answer is streaming already belong to the same caller.
  const ask = AsyncLocalStorage.bind(sample);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  type Next = { index: number; result: IteratorResult<HostEvent>; from: AsyncGenerator<HostEvent> };
  const waiting = new Map<number, Promise<Next>>();
  const advance = (index: number, from: AsyncGenerator<HostEvent>) => {
    const next = from.next().then((result) => ({ index, result, from }));
    next.catch(() => {}); // when one choice fails, nobody reads the failures of the others
    waiting.set(index, next);
  };
  let started = 0;
  try {
    for (;;) {
      for (; waiting.size < AT_A_TIME && started < choices.length; started++)
        advance(started, ask(base, { ...choices[started]!, adapter }, either));
      if (waiting.size === 0) return;
      const { index, result, from } = await Promise.race(waiting.values());
      waiting.delete(index);
      if (result.done) continue;
      advance(index, from);
      yield { index, event: result.value };
    }
  } finally {
    stop.abort();
  }
}

export async function gather(
  events: AsyncGenerator<ChoiceEvent>,
  count: number,
): Promise<Choice[]> {
  const texts = Array.from({ length: count }, () => '');
  const logprobs = Array.from({ length: count }, (): TokenLogprob[] => []);
  const echoes = Array.from({ length: count }, (): Choice['echo'] => ({ text: '', tokens: [] }));
  const calls = Array.from({ length: count }, (): Call[] => []);
  const ends: End[] = [];
  for await (const { index, event } of events) {
    if (event.type === 'end') {
      ends[index] = event;
      continue;
    }
    if (event.echo !== undefined) {
      echoes[index] = { text: event.text, tokens: event.echo };
      continue;
    }
    texts[index] += event.text;
    for (const { index: at, name, arguments: part } of event.calls ?? []) {
      const known = calls[index]![at] ?? { name: name ?? '', arguments: '' };
      calls[index]![at] = { ...known, arguments: known.arguments + part };
    }
    logprobs[index]!.push(...(event.logprobs ?? []));
  }
  return texts.map((text, index) => {
    const end = ends[index];
    if (end === undefined) throw new Error(`choice ${index} ended without an 'end' message`);
    return { text, logprobs: logprobs[index]!, echo: echoes[index]!, calls: calls[index]!, end };
  });
}

export type Usage = {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
};

/** `perPrompt` choices share a prompt, whose tokens count once. */
export function usageOf(ends: readonly End[], perPrompt: number): Usage {
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  const prompt_tokens = sum(
    ends.filter((_, i) => i % perPrompt === 0).map((end) => end.promptTokens),
  );
  const completion_tokens = sum(ends.map((end) => end.completionTokens));
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}
