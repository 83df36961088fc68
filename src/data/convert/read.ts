// A row of any known form → a Sample. Says which keys it could not take along; throws ShapeError where
// the row is not what its form promises.
import type { MessageKey } from '../../messages/en.ts';
import { type Params, say } from '../../messages/say.ts';
import type { ChatExample, ChatMessage } from '../formats/chat.ts';
import { isObject, nameOf } from '../formats/chat.ts';
import { ANSWER_KEYS, pairOf, preferenceFindings } from '../formats/preference.ts';
import {
  answerKey,
  type Json,
  labelKey,
  questionKey,
  type Sample,
  type Shape,
  textKey,
} from './shapes.ts';

export type LossKey = Extract<MessageKey, `convert.lost.${string}`>;
/** Something a conversion cannot carry, once per row. */
export type Loss = { readonly key: LossKey; readonly params: Params };
export type Taken = { readonly sample: Sample; readonly lost: readonly Loss[] };

export class ShapeError extends Error {
  override readonly name = 'ShapeError';
  readonly path: string;
  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

export function readSample(shape: Shape, row: unknown): Taken {
  if (shape === 'turns') return taken(chat({ messages: row as ChatMessage[] }));
  if (!isObject(row)) throw new ShapeError('', `expected an object, got ${nameOf(row)}`);
  switch (shape) {
    case 'chat':
      return chatRow(row);
    case 'completion':
      return known(row, ['prompt', 'completion'], {
        kind: 'completion',
        prompt: textAt(row, 'prompt'),
        completion: textAt(row, 'completion'),
      });
    case 'preference':
      return preference(row);
    case 'chosen-rejected':
      return chosenRejected(row);
    case 'alpaca':
      return alpaca(row);
    case 'sharegpt':
      return shareGpt(row);
    case 'sharegpt-preference':
      return shareGptPreference(row);
    case 'parts':
      return parts(row);
    case 'consultation':
      return consultation(row);
    case 'qa':
      return questionAnswer(row);
    case 'classification': {
      const [text, label] = [textKey(row)!, labelKey(row)!];
      const value = row[label];
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
        throw new ShapeError(label, `expected a label, got ${nameOf(value)}`);
      return known(row, [text, label], {
        kind: 'class',
        text: textAt(row, text),
        label: String(value),
      });
    }
    case 'text': {
      const key = 'text' in row ? 'text' : 'content';
      return known(row, [key], { kind: 'text', text: textAt(row, key) });
    }
    default:
      return shape satisfies never;
  }
}

const taken = (sample: Sample, lost: readonly Loss[] = []): Taken => ({ sample, lost });
const chat = (value: ChatExample): Sample => ({ kind: 'chat', value });
const keysLost = (row: Json, keys: readonly string[]): Loss[] =>
  Object.keys(row)
    .filter((key) => !keys.includes(key) && row[key] !== null && row[key] !== '')
    .map((key) => ({ key: 'convert.lost.key', params: { key } }));
const known = (row: Json, keys: readonly string[], sample: Sample) =>
  taken(sample, keysLost(row, keys));

export function textAt(row: Json, key: string, path = key): string {
  const value = row[key];
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new ShapeError(path, `expected text, got ${nameOf(value)}`);
}

function listAt(row: Json, key: string): readonly unknown[] {
  const value = row[key];
  if (Array.isArray(value)) return value as unknown[];
  throw new ShapeError(key, `expected a list, got ${nameOf(value)}`);
}

const CHAT_KEYS = ['messages', 'tools', 'functions', 'parallel_tool_calls'];

function chatRow(row: Json): Taken {
  const messages = messagesAt(row, 'messages');
  const kept = Object.fromEntries(
    CHAT_KEYS.filter((key) => row[key] !== undefined && row[key] !== null).map((key) => [
      key,
      row[key],
    ]),
  );
  return known(row, CHAT_KEYS, chat({ ...kept, messages } as ChatExample));
}

function messagesAt(row: Json, key: string): ChatMessage[] {
  const list = listAt(row, key);
  for (const [i, item] of list.entries())
    if (!isObject(item) || typeof item['role'] !== 'string')
      throw new ShapeError(`${key}[${i}]`, "expected a message with a 'role'");
  return list as ChatMessage[];
}

/** An unknown key is lost, as in other forms; with any other fault it is not clear what is preferred. */
function preference(row: Json): Taken {
  for (const { key, path, params } of preferenceFindings(row))
    if (key !== 'data.unknown_key') throw new ShapeError(path, say(key, params));
  const { preferred, rejected } = pairOf(row);
  const { sample, lost } = chatRow(row['input'] as Json);
  const { value: input } = sample as Extract<Sample, { kind: 'chat' }>;
  return taken({ kind: 'preference', input, preferred, rejected }, [
    ...lost,
    ...keysLost(row, ['input', ...ANSWER_KEYS]),
  ]);
}

/** TRL's form; `prompt` and both answers are text or lists of messages. */
function chosenRejected(row: Json): Taken {
  const listOrText = (key: string): ChatMessage[] =>
    Array.isArray(row[key])
      ? messagesAt(row, key)
      : [{ role: 'assistant', content: textAt(row, key) }];
  let chosen = listOrText('chosen');
  let rejected = listOrText('rejected');
  let prompt: ChatMessage[];
  if (Array.isArray(row['prompt'])) prompt = messagesAt(row, 'prompt');
  else if ('prompt' in row) prompt = [{ role: 'user', content: textAt(row, 'prompt') }];
  else if (typeof row['question'] === 'string')
    prompt = [{ role: 'user', content: row['question'] }];
  else {
    // The prompt is what both conversations begin with.
    let same = 0;
    while (
      same < Math.min(chosen.length, rejected.length) - 1 &&
      JSON.stringify(chosen[same]) === JSON.stringify(rejected[same])
    )
      same += 1;
    if (same === 0) throw new ShapeError('prompt', 'the row holds no prompt');
    prompt = chosen.slice(0, same);
    chosen = chosen.slice(same);
    rejected = rejected.slice(same);
  }
  const system = typeof row['system'] === 'string' && row['system'] !== '' ? row['system'] : null;
  const messages = system === null ? prompt : [{ role: 'system', content: system }, ...prompt];
  return known(row, ['prompt', 'question', 'chosen', 'rejected', 'system'], {
    kind: 'preference',
    input: { messages },
    preferred: chosen,
    rejected,
  });
}

function alpaca(row: Json): Taken {
  const answer = 'output' in row ? 'output' : 'response';
  const messages: ChatMessage[] = [];
  if (typeof row['system'] === 'string' && row['system'] !== '')
    messages.push({ role: 'system', content: row['system'] });
  for (const [i, turn] of (Array.isArray(row['history']) ? row['history'] : []).entries()) {
    if (!Array.isArray(turn) || typeof turn[0] !== 'string' || typeof turn[1] !== 'string')
      throw new ShapeError(`history[${i}]`, 'expected [question, answer]');
    messages.push({ role: 'user', content: turn[0] }, { role: 'assistant', content: turn[1] });
  }
  const instruction = textAt(row, 'instruction');
  const input = row['input'] === undefined || row['input'] === null ? '' : textAt(row, 'input');
  const asked = input === '' ? instruction : `${instruction}\n${input}`;
  messages.push({ role: 'user', content: asked });
  messages.push({ role: 'assistant', content: textAt(row, answer) });
  const { lost } = known(
    row,
    ['instruction', 'input', answer, 'system', 'history'],
    chat({ messages }),
  );
  const merged: Loss[] = input === '' ? [] : [{ key: 'convert.lost.input', params: {} }];
  return taken(chat({ messages }), [...lost, ...merged]);
}

const ROLES: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  model: 'assistant',
  system: 'system',
  observation: 'tool',
  tool: 'tool',
  function_response: 'tool',
};

/** A turn that calls a function becomes a tool call; its answer takes the id of the call before it. */
function shareGptTurns(turns: readonly unknown[], key: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let calls: string[] = [];
  let callCount = 0;
  for (const [i, turn] of turns.entries()) {
    const path = `${key}[${i}]`;
    if (!isObject(turn)) throw new ShapeError(path, `expected an object, got ${nameOf(turn)}`);
    const from = turn['from'] ?? turn['role'];
    const value = typeof turn['value'] === 'string' ? turn['value'] : turn['content'];
    if (typeof from !== 'string') throw new ShapeError(`${path}.from`, 'expected a role');
    if (typeof value !== 'string') throw new ShapeError(`${path}.value`, 'expected text');
    if (from === 'function_call') {
      const list = callsIn(value, path);
      calls = list.map(() => `call_${++callCount}`);
      const made = list.map((call, n) => ({ id: calls[n]!, type: 'function', function: call }));
      messages.push({ role: 'assistant', content: null, tool_calls: made });
      continue;
    }
    const role = ROLES[from];
    if (role === undefined) throw new ShapeError(`${path}.from`, `'${from}' is no known role`);
    const id = role === 'tool' ? calls.shift() : undefined;
    messages.push({ role, content: value, ...(id === undefined ? {} : { tool_call_id: id }) });
  }
  return messages;
}

function callsIn(value: string, path: string) {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    throw new ShapeError(`${path}.value`, 'expected the JSON of a function call');
  }
  return (Array.isArray(parsed) ? parsed : [parsed]).map((call: unknown) => {
    if (!isObject(call) || typeof call['name'] !== 'string')
      throw new ShapeError(`${path}.value`, "expected a function call with a 'name'");
    const given = call['arguments'] ?? {};
    return {
      name: call['name'],
      arguments: typeof given === 'string' ? given : JSON.stringify(given),
    };
  });
}

/** `tools` is a list, or the JSON of one, of bare functions or of wrapped ones. */
function toolsOf(row: Json): readonly unknown[] {
  const given = row['tools'];
  if (given === undefined || given === null || given === '') return [];
  let list: unknown = given;
  if (typeof given === 'string') {
    try {
      list = JSON.parse(given);
    } catch {
      throw new ShapeError('tools', 'expected the JSON of a list of functions');
    }
  }
  if (!Array.isArray(list)) throw new ShapeError('tools', `expected a list, got ${nameOf(list)}`);
  return list.map((tool: unknown) =>
    isObject(tool) && 'function' in tool ? tool : { type: 'function', function: tool },
  );
}

function shareGptInput(row: Json): ChatExample {
  const key = 'conversations' in row ? 'conversations' : 'conversation';
  const turns = shareGptTurns(listAt(row, key), key);
  const system = typeof row['system'] === 'string' && row['system'] !== '' ? row['system'] : null;
  const messages = system === null ? turns : [{ role: 'system', content: system }, ...turns];
  const tools = toolsOf(row);
  return tools.length === 0 ? { messages } : { messages, tools };
}

const SHAREGPT_KEYS = ['conversations', 'conversation', 'system', 'tools'];

const shareGpt = (row: Json) => known(row, SHAREGPT_KEYS, chat(shareGptInput(row)));

function shareGptPreference(row: Json): Taken {
  const answer = (key: string): ChatMessage[] => {
    const value = row[key];
    return typeof value === 'string'
      ? [{ role: 'assistant', content: value }]
      : shareGptTurns(Array.isArray(value) ? (value as unknown[]) : [value], key);
  };
  return known(row, [...SHAREGPT_KEYS, 'chosen', 'rejected'], {
    kind: 'preference',
    input: shareGptInput(row),
    preferred: answer('chosen'),
    rejected: answer('rejected'),
  });
}

function parts(row: Json): Taken {
  const messages = messagesAt(row, 'messages').map((message, i) => {
    const { content, loss_weight: weight, ...rest } = message;
    const list = Array.isArray(content) ? (content as unknown[]) : null;
    const text =
      list?.map((part) => {
        const value =
          isObject(part) && part['type'] === 'text' ? (part['value'] ?? part['text']) : null;
        if (typeof value !== 'string')
          throw new ShapeError(`messages[${i}].content`, 'expected parts of text');
        return value;
      }) ?? [];
    const known = list === null ? content : text.join('');
    const muted = message.role === 'assistant' && weight === 0 ? { weight: 0 as const } : {};
    return { ...rest, content: known, ...muted };
  });
  return taken(chat({ messages }), keysLost(row, ['messages']));
}

/** ChatLaw's demo rows. */
function consultation(row: Json): Taken {
  const messages: ChatMessage[] = [{ role: 'system', content: textAt(row, 'meta_instruction') }];
  const turns = row['chat'];
  const list = Array.isArray(turns) ? turns : isObject(turns) ? Object.values(turns) : null;
  if (list === null) throw new ShapeError('chat', `expected a list, got ${nameOf(turns)}`);
  for (const [i, turn] of list.entries()) {
    if (!isObject(turn)) throw new ShapeError(`chat[${i}]`, `expected an object`);
    for (const [key, value] of Object.entries(turn)) {
      if (typeof value !== 'string') throw new ShapeError(`chat[${i}].${key}`, 'expected text');
      messages.push({ role: key === '咨询者' ? 'user' : 'assistant', content: value });
    }
  }
  return known(row, ['meta_instruction', 'chat'], chat({ messages }));
}

function questionAnswer(row: Json): Taken {
  const [q, a] = [questionKey(row)!, answerKey(row)!];
  const [question, moreQ] = firstText(row[q], q);
  const [answer, moreA] = firstText(row[a], a);
  const messages = [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ];
  const variants: Loss[] = [[q, moreQ] as const, [a, moreA] as const].flatMap(([key, more]) =>
    more === 0 ? [] : [{ key: 'convert.lost.variants' as const, params: { key, more } }],
  );
  return taken(chat({ messages }), [...keysLost(row, [q, a]), ...variants]);
}

/** Huatuo keeps lists of phrasings, sometimes nested: the first one, and how many there are besides. */
function firstText(value: unknown, key: string): readonly [string, number] {
  const all = [value].flat(3);
  const [text] = all;
  if (typeof text !== 'string') throw new ShapeError(key, `expected text, got ${nameOf(text)}`);
  return [text, all.length - 1];
}
