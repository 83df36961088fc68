// The preference format of a training line: {input: {messages, tools?, …}, preferred_output,
// non_preferred_output}, each answer a list of one assistant message. The published description writes
// preferred_completion and non_preferred_completion; both spellings are taken, one in a row.
import { type Finding, finding } from '../problems.ts';
import {
  type ChatExample,
  type ChatMessage,
  conversationFindings,
  isObject,
  messageFindings,
  nameOf,
} from './chat.ts';

type Json = Readonly<Record<string, unknown>>;

export type PreferenceExample = { readonly input: ChatExample } & Json;

const SPELLINGS = [
  ['preferred_output', 'non_preferred_output'],
  ['preferred_completion', 'non_preferred_completion'],
] as const;
export const ANSWER_KEYS: readonly string[] = SPELLINGS.flat();

/** Whether a row means to be of this format, sound or not. */
export const isPreference = (row: Json): boolean =>
  ANSWER_KEYS.some((key) => key in row) || (isObject(row['input']) && 'messages' in row['input']);

const spellingOf = (row: Json) =>
  SPELLINGS.find((keys) => keys.some((key) => key in row)) ?? SPELLINGS[0];

export function* preferenceFindings(example: Json): Generator<Finding> {
  const answers = spellingOf(example);
  const needed = ['input', ...answers];
  const used = ANSWER_KEYS.filter((key) => key in example);
  const mixed = used.some((key) => !needed.includes(key));
  for (const key of Object.keys(example))
    if (!needed.includes(key) && !used.includes(key))
      yield finding(key, 'data.unknown_key', { key, allowed: needed.join(', ') });
  yield* inputFindings(example['input'], needed);
  if (mixed) return yield finding('', 'data.two_spellings', { keys: used.join(', ') });
  for (const key of answers) yield* answerFindings(example[key], key, needed);
}

function* inputFindings(input: unknown, needed: readonly string[]): Generator<Finding> {
  if (input === undefined) return yield missing('input', 'input', needed);
  if (!isObject(input))
    return yield finding('input', 'data.wrong_type', { expected: 'object', got: nameOf(input) });
  if (input['messages'] === undefined) return yield missing('input.messages', 'messages', needed);
  for (const found of conversationFindings(input)) yield { ...found, path: `input.${found.path}` };
}

function* answerFindings(
  value: unknown,
  key: string,
  needed: readonly string[],
): Generator<Finding> {
  if (value === undefined) return yield missing(key, key, needed);
  if (!Array.isArray(value))
    return yield finding(key, 'data.wrong_type', {
      expected: 'list of one assistant message',
      got: nameOf(value),
    });
  if (value.length !== 1) return yield finding(key, 'data.one_answer', { count: value.length });
  const [message] = value as unknown[];
  const role = isObject(message) ? message['role'] : undefined;
  if (role !== undefined && role !== 'assistant')
    return yield finding(`${key}[0].role`, 'data.answer_role', {
      got: typeof role === 'string' ? role.slice(0, 40) : nameOf(role),
    });
  yield* messageFindings(message, `${key}[0]`, ['weight']);
}

const missing = (path: string, key: string, needed: readonly string[]) =>
  finding(path, 'data.key_missing', { key, needed: needed.join(', ') });

export type Pair = {
  readonly input: ChatExample;
  readonly preferred: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
};

/** Of a row without findings. */
export function pairOf(row: Json): Pair {
  const [preferred, rejected] = spellingOf(row);
  return { input: row['input'], preferred: row[preferred], rejected: row[rejected] } as Pair;
}
