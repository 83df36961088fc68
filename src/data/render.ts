// Example → row: what the model sees, and which tokens it learns from. The loss is on the content of
// assistant messages and the end token after it, or on the completion; nothing else carries weight.
import { type ChatEncoding, encodeChat } from '../tokenizer/chat.ts';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/default-template.ts';
import type { Message } from '../tokenizer/messages.ts';
import { type RenderOptions, renderChat, TemplateError } from '../tokenizer/template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { ChatExample } from './formats/chat.ts';
import type { CompletionExample } from './formats/completion.ts';
import type { SupervisedExample } from './read-examples.ts';
import type { Row } from './row.ts';

/** The model's side of rendering. */
export type Voice = {
  readonly tokenizer: Tokenizer;
  /** Null: the built-in template. */
  readonly chatTemplate: string | null;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
};

/** `tokens` is the length before cutting; `lost` of them are not in the row. */
export type RenderedRow = {
  readonly row: Row;
  readonly tokens: number;
  readonly lost: number;
};

/** Throws TemplateError where the model's template cannot print the example. */
export function renderRow(
  voice: Voice,
  example: Pick<SupervisedExample, 'format' | 'value'>,
  contextLength: number,
): RenderedRow {
  const row =
    example.format === 'chat'
      ? chatRow(voice, example.value as ChatExample)
      : completionRow(voice.tokenizer, example.value as CompletionExample);
  const tokens = row.ids.length;
  if (tokens <= contextLength) return { row, tokens, lost: 0 };
  const cut = {
    ids: row.ids.slice(0, contextLength),
    weights: row.weights.slice(0, contextLength),
  };
  return { row: cut, tokens, lost: tokens - contextLength };
}

export function chatRow(voice: Voice, { messages, tools, functions }: ChatExample): Row {
  const template = voice.chatTemplate ?? DEFAULT_CHAT_TEMPLATE;
  const older = (functions ?? []).map((described) => ({ type: 'function', function: described }));
  const options: RenderOptions = {
    addGenerationPrompt: false,
    tools: [...(tools ?? []), ...older],
    bosToken: voice.bosToken,
    eosToken: voice.eosToken,
  };
  const encoding = encodeChat(voice.tokenizer, template, messages as readonly Message[], options);
  const weights = new Float32Array(encoding.ids.length);
  for (const [i, message] of messages.entries()) {
    if (message.role !== 'assistant' || message.weight === 0) continue;
    const place = hasCalls(message)
      ? turnWithCalls(voice, template, messages, i, options, encoding)
      : contentPlace(encoding, i);
    trainOn(weights, encoding, place, voice.tokenizer.stopIds);
  }
  return { ids: encoding.ids, weights };
}

type Place = { readonly start: number; readonly end: number };

const hasCalls = (message: Message) => Boolean(message['tool_calls'] ?? message['function_call']);

function contentPlace({ contents }: ChatEncoding, message: number): Place {
  const place = contents.find((span) => span.message === message);
  if (place !== undefined) return place;
  throw new TemplateError(
    `The chat template of this model does not print the assistant's message ${message}, so there is ` +
      'nothing to learn from.',
  );
}

/** Calls are printed by the template in a form of its own: what the assistant says is then the text
 *  from the generation prompt to the end token of its turn. */
function turnWithCalls(
  voice: Voice,
  template: string,
  messages: readonly Message[],
  i: number,
  options: RenderOptions,
  encoding: ChatEncoding,
): Place {
  const upTo = (count: number, addGenerationPrompt: boolean) =>
    renderChat(template, messages.slice(0, count), { ...options, addGenerationPrompt }).text;
  const prompt = upTo(i, true);
  const turn = upTo(i + 1, false);
  const { text, ids, starts } = encoding;
  if (!text.startsWith(prompt) || !text.startsWith(turn) || turn.length <= prompt.length)
    throw new TemplateError(
      `The chat template of this model prints the tool calls of message ${i} in another form when it ` +
        'is asked than when it is taught, so they cannot be trained.',
    );
  let end = turn.length;
  for (let t = 0; t < ids.length && starts[t]! < turn.length; t++)
    if (starts[t]! >= prompt.length && voice.tokenizer.stopIds.includes(ids[t]!)) end = starts[t]!;
  return { start: prompt.length, end };
}

/** Weight 1 for every token with at least one character of the place, and for the end token that
 *  follows it, over white space that a template puts between the two. */
function trainOn(
  weights: Float32Array,
  { text, ids, starts, ends }: ChatEncoding,
  { start, end }: Place,
  stopIds: readonly number[],
) {
  let t = 0;
  while (t < ids.length && ends[t]! <= start && starts[t]! < end) t += 1;
  for (; t < ids.length && starts[t]! < end; t++) if (ends[t]! > start) weights[t] = 1;
  if (start === end) while (t < ids.length && starts[t]! < end) t += 1;
  const gap = t;
  while (t < ids.length && !stopIds.includes(ids[t]!) && isBlank(text, starts[t]!, ends[t]!))
    t += 1;
  if (t < ids.length && stopIds.includes(ids[t]!)) weights.fill(1, gap, t + 1);
}

const isBlank = (text: string, start: number, end: number) => text.slice(start, end).trim() === '';

/** Prompt and completion as they are, tokenized together; a control token written in them is one. */
export function completionRow(
  tokenizer: Tokenizer,
  { prompt, completion }: CompletionExample,
): Row {
  const { ids, ends } = tokenizer.encodeWithOffsets(prompt + completion, { special: true });
  const { bosId, addBos } = tokenizer;
  const bos = addBos && bosId !== null && ids[0] !== bosId ? [bosId] : [];
  const weights = new Float32Array(bos.length + ids.length);
  for (let t = 0; t < ids.length; t++) if (ends[t]! > prompt.length) weights[bos.length + t] = 1;
  return { ids: Int32Array.from([...bos, ...ids]), weights };
}
