// LLaMA-Factory's registry of sets: a name, its file, perhaps a SHA-1, and which columns mean what. Books
// print it with comments, so comments and trailing commas are read over.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { CodedError } from '../../lib/coded-error.ts';
import { isObject } from '../formats/chat.ts';
import type { Json } from './shapes.ts';

const Entry = z.looseObject({
  file_name: z.string().min(1),
  file_sha1: z.string().optional(),
  formatting: z.enum(['alpaca', 'sharegpt']).default('alpaca'),
  ranking: z.boolean().optional(),
  columns: z.record(z.string(), z.string()).default({}),
  tags: z.record(z.string(), z.string()).default({}),
});
export type DatasetEntry = z.infer<typeof Entry>;

export type Registered = {
  readonly name: string;
  readonly path: string;
  /** A row with the keys that its form usually has. */
  readonly rename: (row: unknown) => unknown;
};

/** `name` null: the only set of the file. Throws CodedError naming what is wrong. */
export async function registeredSet(path: string, name: string | null): Promise<Registered> {
  const refuse = (message: string): never => {
    throw new CodedError('bad_dataset_info', `${path}: ${message}`, { param: 'file' });
  };
  let json: unknown;
  try {
    json = JSON.parse(plainJson(await readFile(path, 'utf8')));
  } catch (error) {
    return refuse((error as Error).message);
  }
  if (!isObject(json)) return refuse('expected an object of sets.');
  const names = Object.keys(json);
  const wanted = name ?? (names.length === 1 ? names[0]! : null);
  if (wanted === null || !(wanted in json))
    return refuse(
      `${name === null ? 'it holds several sets; name one' : `there is no set '${name}'`} of: ${names.join(', ')}.`,
    );
  const parsed = Entry.safeParse(json[wanted]);
  if (!parsed.success) return refuse(`${wanted}: ${z.prettifyError(parsed.error)}`);
  const entry = parsed.data;
  const file = resolve(dirname(path), entry.file_name);
  const sha1 = await sha1Of(file).catch((error: Error) => refuse(`${wanted}: ${error.message}`));
  if (entry.file_sha1 !== undefined && entry.file_sha1.toLowerCase() !== sha1)
    return refuse(
      `${entry.file_name} has the SHA-1 ${sha1}, but ${entry.file_sha1} is registered. ` +
        'Fetch the file again, or correct the entry.',
    );
  return { name: wanted, path: file, rename: (row) => renamed(row, entry) };
}

/** JSON without // and block comments and without commas before a closing bracket, nor U+00A0 between tokens. */
export function plainJson(text: string): string {
  const tokens =
    /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|\u00a0|,(?=(?:\s|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*[}\]])/g;
  return text
    .replace(/^\ufeff/, '')
    .replaceAll(tokens, (token) => (token.startsWith('"') ? token : ''));
}

async function sha1Of(path: string): Promise<string> {
  const hash = createHash('sha1');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const ALPACA: Readonly<Record<string, string>> = {
  prompt: 'instruction',
  query: 'input',
  response: 'output',
  history: 'history',
  system: 'system',
  chosen: 'chosen',
  rejected: 'rejected',
};
const SHAREGPT: Readonly<Record<string, string>> = {
  messages: 'conversations',
  system: 'system',
  tools: 'tools',
  chosen: 'chosen',
  rejected: 'rejected',
};
/** Roles of the registry's tags → ShareGPT's usual words. */
const TAGS: Readonly<Record<string, string>> = {
  user_tag: 'human',
  assistant_tag: 'gpt',
  observation_tag: 'observation',
  function_tag: 'function_call',
  system_tag: 'system',
};

function renamed(row: unknown, { formatting, columns, tags }: DatasetEntry): unknown {
  if (!isObject(row)) return row;
  const names = formatting === 'alpaca' ? ALPACA : SHAREGPT;
  const keys = new Map(
    Object.entries(columns).flatMap(([column, key]) =>
      names[column] === undefined ? [] : [[key, names[column]]],
    ),
  );
  const out = Object.fromEntries(
    Object.entries(row).map(([key, value]) => [keys.get(key) ?? key, value]),
  );
  if (formatting === 'alpaca' || Object.keys(tags).length === 0) return out;
  const turn = (value: unknown) => (isObject(value) ? retagged(value, tags) : value);
  for (const key of ['conversations', 'chosen', 'rejected']) {
    const value = out[key];
    if (Array.isArray(value)) out[key] = value.map(turn);
    else if (isObject(value)) out[key] = turn(value);
  }
  return out;
}

function retagged(turn: Json, tags: Readonly<Record<string, string>>): Json {
  const role = turn[tags['role_tag'] ?? 'from'];
  const known = Object.entries(TAGS).find(([tag]) => tags[tag] !== undefined && tags[tag] === role);
  return { from: known?.[1] ?? role, value: turn[tags['content_tag'] ?? 'value'] };
}
