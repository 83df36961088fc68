// The chat format of a training line: {messages, tools?, parallel_tool_calls?, functions?}. Yields every
// deviation from the contract; whether a model's template can print the roles is asked later.
import { type Finding, finding } from '../problems.ts';

export type ChatMessage = {
  readonly role: string;
  readonly content?: unknown;
  readonly weight?: 0 | 1;
  readonly [key: string]: unknown;
};
export type ChatExample = {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
  readonly functions?: readonly unknown[];
  readonly parallel_tool_calls?: boolean;
};

type Json = Readonly<Record<string, unknown>>;

export const EXAMPLE_KEYS: readonly string[] = [
  'messages',
  'tools',
  'parallel_tool_calls',
  'functions',
];
const COMMON_KEYS = ['role', 'content', 'name'];
const KEYS_OF_ROLE: Readonly<Record<string, readonly string[]>> = {
  system: COMMON_KEYS,
  developer: COMMON_KEYS,
  user: COMMON_KEYS,
  assistant: [...COMMON_KEYS, 'weight', 'tool_calls', 'function_call', 'refusal'],
  tool: [...COMMON_KEYS, 'tool_call_id'],
  function: COMMON_KEYS,
};
const ROLES = Object.keys(KEYS_OF_ROLE);

export function* chatFindings(example: Json): Generator<Finding> {
  yield* conversationFindings(example);
  const { messages } = example;
  if (!Array.isArray(messages) || messages.length === 0) return;
  if (!messages.some((message) => isObject(message) && message['role'] === 'assistant'))
    yield finding('messages', 'data.no_assistant');
}

/** What is said and which tools there are, whether or not anybody has answered yet. */
export function* conversationFindings(example: Json): Generator<Finding> {
  for (const key of Object.keys(example))
    if (!EXAMPLE_KEYS.includes(key))
      yield finding(key, 'data.unknown_key', { key, allowed: EXAMPLE_KEYS.join(', ') });
  yield* toolFindings(example);
  const { messages } = example;
  if (!Array.isArray(messages))
    return yield finding('messages', 'data.wrong_type', {
      expected: 'list',
      got: nameOf(messages),
    });
  if (messages.length === 0) return yield finding('messages', 'data.empty');
  for (const [i, message] of messages.entries()) yield* messageFindings(message, `messages[${i}]`);
}

function* toolFindings(example: Json): Generator<Finding> {
  for (const key of ['tools', 'functions'] as const) {
    const value = example[key];
    if (value === undefined) continue;
    if (!Array.isArray(value)) {
      yield finding(key, 'data.wrong_type', { expected: 'list', got: nameOf(value) });
      continue;
    }
    for (const [i, tool] of value.entries()) {
      const described = key === 'tools' && isObject(tool) ? tool['function'] : tool;
      if (!isObject(described) || typeof described['name'] !== 'string')
        yield finding(`${key}[${i}]`, 'data.bad_tool');
    }
  }
  const parallel = example['parallel_tool_calls'];
  if (parallel !== undefined && typeof parallel !== 'boolean')
    yield finding('parallel_tool_calls', 'data.wrong_type', {
      expected: 'true or false',
      got: nameOf(parallel),
    });
}

export function* messageFindings(
  message: unknown,
  path: string,
  except: readonly string[] = [],
): Generator<Finding> {
  if (!isObject(message))
    return yield finding(path, 'data.wrong_type', { expected: 'object', got: nameOf(message) });
  const { role } = message;
  if (role === undefined) return yield finding(`${path}.role`, 'data.role_missing');
  const known = typeof role === 'string' ? KEYS_OF_ROLE[role] : undefined;
  if (typeof role !== 'string' || known === undefined)
    return yield finding(`${path}.role`, 'data.wrong_role', {
      got: shown(role),
      allowed: ROLES.join(', '),
    });
  const allowed = known.filter((key) => !except.includes(key));
  for (const key of Object.keys(message))
    if (!allowed.includes(key))
      yield finding(`${path}.${key}`, 'data.unknown_key', { key, allowed: allowed.join(', ') });
  yield* contentFindings(message, role, path);
  if (role === 'assistant') yield* assistantFindings(message, path);
  for (const key of ['name', 'tool_call_id'])
    if (allowed.includes(key) && message[key] !== undefined && typeof message[key] !== 'string')
      yield finding(`${path}.${key}`, 'data.wrong_type', {
        expected: 'text',
        got: nameOf(message[key]),
      });
}

function* contentFindings(message: Json, role: string, path: string): Generator<Finding> {
  const { content } = message;
  const at = `${path}.content`;
  const calls = message['tool_calls'] ?? message['function_call'];
  const mayBeEmpty = role === 'tool' || role === 'function' || (role === 'assistant' && calls);
  if (content === undefined || content === null) {
    if (role !== 'assistant' || !calls) yield finding(at, 'data.content_missing');
  } else if (content === '') {
    if (!mayBeEmpty) yield finding(at, 'data.empty');
  } else if (Array.isArray(content)) {
    if (content.length === 0 && !mayBeEmpty) yield finding(at, 'data.empty');
    let length = 0;
    for (const [i, part] of content.entries()) {
      if (isObject(part) && part['type'] === 'text' && typeof part['text'] === 'string')
        length += part['text'].length;
      else return yield finding(`${at}[${i}]`, 'data.not_text', { got: partType(part) });
    }
    if (content.length > 0 && length === 0 && !mayBeEmpty) yield finding(at, 'data.empty');
  } else if (typeof content !== 'string')
    yield finding(at, 'data.wrong_type', { expected: 'text', got: nameOf(content) });
}

function* assistantFindings(message: Json, path: string): Generator<Finding> {
  const { weight, refusal, tool_calls: calls, function_call: call } = message;
  if (weight !== undefined && weight !== 0 && weight !== 1)
    yield finding(`${path}.weight`, 'data.weight', {
      got: typeof weight === 'string' ? `'${shown(weight)}'` : shown(weight),
    });
  if (refusal !== undefined && refusal !== null) yield finding(`${path}.refusal`, 'data.refusal');
  if (calls !== undefined && !Array.isArray(calls))
    yield finding(`${path}.tool_calls`, 'data.wrong_type', {
      expected: 'list',
      got: nameOf(calls),
    });
  if (Array.isArray(calls)) {
    if (calls.length === 0) yield finding(`${path}.tool_calls`, 'data.empty');
    for (const [i, item] of calls.entries())
      if (!isObject(item) || !isCall(item['function']))
        yield finding(`${path}.tool_calls[${i}]`, 'data.bad_call');
  }
  if (call !== undefined && call !== null && !isCall(call))
    yield finding(`${path}.function_call`, 'data.bad_call');
}

const isCall = (value: unknown) =>
  isObject(value) && typeof value['name'] === 'string' && typeof value['arguments'] === 'string';

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function nameOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  return (
    { string: 'text', number: 'number', boolean: 'true or false' }[typeof value as string] ??
    'object'
  );
}

const partType = (part: unknown) => (isObject(part) ? shown(part['type']) : nameOf(part));

/** A value in a message: short, whatever the file holds. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
