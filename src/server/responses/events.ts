// What a model says, told as the typed events of /v1/responses: items open, fill and close one after the
// other; the last event holds the whole response.
import { newId } from '../../lib/id.ts';
import type { CallDelta, TokenLogprob } from '../../serve/protocol.ts';
import type { Item, ResponseBody } from '../../store/responses.ts';
import { toWire } from '../errors.ts';
import { type ChoiceEvent, type End, usageOf } from '../generate.ts';

export type ResponseEvent = { readonly type: string; readonly [key: string]: unknown };
type Body = ResponseBody & { readonly object: 'response' };

/** `start` is the response in progress; `seconds` tells the time at the end. */
export async function* responseEvents(
  events: AsyncGenerator<ChoiceEvent>,
  start: Body,
  seconds: () => number,
): AsyncGenerator<ResponseEvent, ResponseBody> {
  let sequence_number = 0;
  const numbered = (event: ResponseEvent) => ({ ...event, sequence_number: sequence_number++ });
  const items = new Items();
  yield numbered({ type: 'response.created', response: start });
  yield numbered({ type: 'response.in_progress', response: start });
  let last: ResponseBody;
  try {
    let end: End | null = null;
    for await (const { event } of events) {
      if (event.type === 'end') end = event;
      else
        for (const one of items.add(event.text, event.logprobs, event.calls)) yield numbered(one);
    }
    if (end === null) throw new Error("the answer ended without an 'end' message");
    const cut = end.finishReason === 'length';
    for (const one of items.finish(cut ? 'incomplete' : 'completed')) yield numbered(one);
    last = {
      ...start,
      status: cut ? 'incomplete' : 'completed',
      ...(cut && { incomplete_details: { reason: 'max_output_tokens' } }),
      completed_at: cut ? null : seconds(),
      output: items.done,
      usage: wireUsage(end),
    };
  } catch (error) {
    const { message, code } = toWire(error).body.error;
    const reason = { code: code ?? 'server_error', message };
    last = { ...start, status: 'failed', error: reason, output: items.done };
  }
  yield numbered({ type: `response.${last.status}`, response: last });
  return last;
}

class Items {
  readonly done: Item[] = [];
  #message: { id: string; text: string; logprobs: object[] } | null = null;
  #call: { id: string; call_id: string; name: string; arguments: string; index: number } | null =
    null;

  *add(
    text: string,
    logprobs: readonly TokenLogprob[] | null,
    calls: readonly CallDelta[] = [],
  ): Generator<ResponseEvent> {
    if (text !== '') yield* this.#text(text, (logprobs ?? []).map(wireLogprob));
    for (const call of calls) yield* this.#called(call);
  }

  /** Closes what is open. An answer that says nothing is an empty message. */
  *finish(status: 'completed' | 'incomplete'): Generator<ResponseEvent> {
    if (this.#call === null && this.#message === null && this.done.length === 0)
      yield* this.#openMessage();
    yield* this.#closeMessage(status);
    yield* this.#closeCall(status);
  }

  *#text(delta: string, logprobs: object[]): Generator<ResponseEvent> {
    if (this.#message === null) yield* this.#openMessage();
    const message = this.#message!;
    message.text += delta;
    message.logprobs.push(...logprobs);
    yield { type: 'response.output_text.delta', ...this.#at(message.id), delta, logprobs };
  }

  *#openMessage(): Generator<ResponseEvent> {
    yield* this.#closeCall('completed');
    this.#message = { id: newId('msg_', 48), text: '', logprobs: [] };
    const { id } = this.#message;
    const item = { type: 'message', id, status: 'in_progress', role: 'assistant', content: [] };
    yield { type: 'response.output_item.added', output_index: this.done.length, item };
    yield { type: 'response.content_part.added', ...this.#at(id), part: textPart('', []) };
  }

  *#closeMessage(status: string): Generator<ResponseEvent> {
    if (this.#message === null) return;
    const { id, text, logprobs } = this.#message;
    this.#message = null;
    const part = textPart(text, logprobs);
    yield { type: 'response.output_text.done', ...this.#at(id), text, logprobs };
    yield { type: 'response.content_part.done', ...this.#at(id), part };
    yield* this.#close({ type: 'message', id, status, role: 'assistant', content: [part] });
  }

  *#called({ index, name, arguments: delta }: CallDelta): Generator<ResponseEvent> {
    if (this.#call?.index !== index) {
      yield* this.#closeMessage('completed');
      yield* this.#closeCall('completed');
      const [id, call_id] = [newId('fc_', 48), newId('call_', 24)];
      this.#call = { id, call_id, name: name ?? '', arguments: '', index };
      const item = this.#callItem('in_progress');
      yield { type: 'response.output_item.added', output_index: this.done.length, item };
    }
    if (delta === '' || this.#call === null) return;
    this.#call.arguments += delta;
    const at = { item_id: this.#call.id, output_index: this.done.length };
    yield { type: 'response.function_call_arguments.delta', ...at, delta };
  }

  *#closeCall(status: string): Generator<ResponseEvent> {
    if (this.#call === null) return;
    const item = this.#callItem(status);
    const { id, name, arguments: args } = this.#call;
    this.#call = null;
    const at = { item_id: id, output_index: this.done.length };
    yield { type: 'response.function_call_arguments.done', ...at, name, arguments: args };
    yield* this.#close(item);
  }

  #callItem(status: string): Item {
    const { id, call_id, name, arguments: args } = this.#call!;
    return { type: 'function_call', id, call_id, name, arguments: args, status };
  }

  *#close(item: Item): Generator<ResponseEvent> {
    yield { type: 'response.output_item.done', output_index: this.done.length, item };
    this.done.push(item);
  }

  #at(item_id: string) {
    return { item_id, output_index: this.done.length, content_index: 0 };
  }
}

const textPart = (text: string, logprobs: readonly object[]) => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs,
});

const wireLogprob = ({ top, ...token }: TokenLogprob) => ({ ...token, top_logprobs: top });

function wireUsage(end: End) {
  const { prompt_tokens, completion_tokens, total_tokens } = usageOf([end], 1);
  return {
    input_tokens: prompt_tokens,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: completion_tokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens,
  };
}
