// LLaMA-Factory's register of data sets: name → file, with its SHA-1. As people paste it, comments and all.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { MessageKey } from '../../messages/en.ts';
import type { Params } from '../../messages/say.ts';
import { isObject } from '../formats/chat.ts';

const FILE = 'dataset_info.json';

export class DatasetError extends Error {
  override readonly name = 'DatasetError';
  readonly key: Extract<MessageKey, `prepare.dataset_${string}`>;
  readonly params: Params;
  constructor(key: DatasetError['key'], params: Params) {
    super(key);
    this.key = key;
    this.params = params;
  }
}

/** The file of the set; null when `path` is no register and no set was asked for. */
export async function datasetFile(path: string, name: string | null): Promise<string | null> {
  const inFolder = existsSync(path) && statSync(path).isDirectory();
  const register = inFolder ? join(path, FILE) : path;
  if (!existsSync(register) || (name === null && basename(path) !== FILE)) return null;
  const sets = await readRegister(register);
  const known = Object.keys(sets).join(', ');
  const wanted = name ?? (Object.keys(sets).length === 1 ? Object.keys(sets)[0]! : null);
  if (wanted === null) throw new DatasetError('prepare.dataset_which', { path: register, known });
  const entry = Object.hasOwn(sets, wanted) ? sets[wanted] : undefined;
  if (!isObject(entry))
    throw new DatasetError('prepare.dataset_unknown', { name: wanted, path: register, known });
  const { file_name: fileName, file_sha1: expected } = entry;
  if (typeof fileName !== 'string')
    throw new DatasetError('prepare.dataset_no_file', { name: wanted, path: register });
  const file = join(dirname(register), fileName);
  if (typeof expected === 'string' && expected !== '' && existsSync(file)) {
    const got = await sha1(file);
    if (got !== expected.toLowerCase())
      throw new DatasetError('prepare.dataset_sum', { file, path: register, got, expected });
  }
  return file;
}

async function readRegister(path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const value: unknown = JSON.parse(withoutComments(await readFile(path, 'utf8')));
    if (isObject(value)) return value;
    throw new SyntaxError('expected an object of sets');
  } catch (error) {
    throw new DatasetError('prepare.dataset_bad', { path, reason: (error as Error).message });
  }
}

/** `//` outside strings to the end of the line; and U+00A0, which comes along when it is pasted. */
const withoutComments = (text: string) =>
  text
    .replace(/^\ufeff/, '')
    .replace(/"(?:\\.|[^"\\])*"|\/\/[^\n]*|\u00a0/g, (token) =>
      token.startsWith('"') ? token : ' ',
    );

async function sha1(path: string): Promise<string> {
  const hash = createHash('sha1');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
