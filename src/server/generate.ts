// Runs the choices of one completion request side by side, and gathers or interleaves what they yield.

import type { ResolvedModel } from '../jobs/jobs.ts';
import { newId } from '../lib/id.ts';
import type { SampleRequest, TokenLogprob } from '../serve/protocol.ts';
import type { Deps, End, Piece } from './deps.ts';
import { modelNotUsable } from './errors.ts';

export type ChoiceRequest = Omit<SampleRequest, 'id' | 'adapter'>;
export type ChoiceEvent = { readonly index: number; readonly event: Piece | End };
export type Choice = {
  readonly text: string;
  readonly logprobs: readonly TokenLogprob[];
  readonly end: End;
};

export async function usableModel(name: string, { jobs }: Deps): Promise<ResolvedModel> {
  const model = await jobs.resolve(name);
  if (model === null) throw modelNotUsable(name);
  return model;
}

/** Events of all choices in the order of their arrival; leaving early stops every choice. */
export async function* generate(
  model: ResolvedModel,
  choices: readonly ChoiceRequest[],
  signal: AbortSignal,
  { sample }: Deps,
): AsyncGenerator<ChoiceEvent> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = choices.map((choice) =>
    sample(model, { ...choice, id: newId('req_'), adapter: model.adapter }, either),
  );
  const next = async (index: number) => ({ index, result: await running[index]!.next() });
  const waiting = new Map(running.map((_, index) => [index, next(index)]));
  // When one choice fails the others are left; their failures have no reader.
  for (const promise of waiting.values()) promise.catch(() => {});
  try {
    while (waiting.size > 0) {
      const { index, result } = await Promise.race(waiting.values());
      if (result.done) {
        waiting.delete(index);
        continue;
      }
      const following = next(index);
      following.catch(() => {});
      waiting.set(index, following);
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
  const ends: End[] = [];
  for await (const { index, event } of events) {
    if (event.type === 'end') {
      ends[index] = event;
      continue;
    }
    texts[index] += event.text;
    logprobs[index]!.push(...(event.logprobs ?? []));
  }
  return texts.map((text, index) => {
    const end = ends[index];
    if (end === undefined) throw new Error(`choice ${index} ended without an 'end' message`);
    return { text, logprobs: logprobs[index]!, end };
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
