// Other names for models that are here: OpenAI's names, so that old programs run unchanged, and those
// that the operator writes into a JSON file. The one table for jobs, answers and lists.
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import type { BaseModel, BaseModels } from './base-models.ts';

export type Alias = {
  readonly name: string;
  /** Name of a base model or of a fine-tuned one. */
  readonly target: string;
  /** Written by the operator, not by default. */
  readonly own: boolean;
};
export type Aliases = {
  /** What the name stands for; null when it is no alias. A model of that name itself comes first. */
  readonly target: (name: string) => Promise<string | null>;
  readonly list: () => Promise<Alias[]>;
};

/** In the data directory, where no other file is named. */
export const ALIASES_FILE = 'models.aliases.json';

/** Names to model names, or to null, which turns a name off; `*` is for all of OpenAI's other names. */
const Table = z.record(z.string().min(1), z.string().min(1).nullable());
type Table = z.infer<typeof Table>;

/** `file` is read again when it changes; where it is not needed and not there, OpenAI's names stand for
 *  the largest base model. */
export function modelAliases(file: string, needed: boolean, bases: BaseModels): Aliases {
  let read: { readonly stamp: string; readonly table: Table } | null = null;
  const table = async (): Promise<Table> => {
    const found = await stat(file).catch(() => null);
    if (found === null && needed) throw unusable(file, 'it is not there');
    if (found === null) return {};
    const stamp = `${found.mtimeMs} ${found.size}`;
    if (read?.stamp !== stamp) read = { stamp, table: await readTable(file) };
    return read.table;
  };
  const standard = async (own: Table): Promise<string | null> => {
    const wanted = own['*'];
    return wanted === undefined ? (largest(await bases.list())?.id ?? null) : wanted;
  };
  return {
    target: async (name) => {
      const own = await table();
      const key = Object.keys(own).find((known) => known !== '*' && same(known, name));
      if (key !== undefined) return own[key] ?? null;
      return isKnownName(name) ? await standard(own) : null;
    },
    list: async () => {
      const own = await table();
      const target = await standard(own);
      const rest = target === null ? [] : LISTED.map((name) => ({ name, target, own: false }));
      const named = Object.entries(own).filter(([name]) => name !== '*');
      return [
        ...named.flatMap(([name, to]) => (to === null ? [] : [{ name, target: to, own: true }])),
        ...rest.filter(({ name }) => !named.some(([known]) => same(known, name))),
      ];
    },
  };
}

async function readTable(file: string): Promise<Table> {
  try {
    return Table.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const reason =
      error instanceof z.ZodError
        ? `${error.issues[0]?.path.join('.') || 'the file'}: ${error.issues[0]?.message}`
        : (error as Error).message;
    throw unusable(file, reason, error);
  }
}

const unusable = (file: string, reason: string, cause?: unknown) =>
  new CodedError(
    'invalid_aliases',
    `The table of model names ${file} cannot be used (${reason}). It is one JSON object, such as {"ada": "smollm2-135m-instruct", "gpt-4": null}.`,
    { status: 500, cause },
  );

/** The most capable model is, of what can be told without loading them, the one with the most bytes. */
const largest = (models: readonly BaseModel[]): BaseModel | undefined =>
  models.toSorted((a, b) => b.bytes - a.bytes)[0];

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** Legacy bases and their successors, completion, chat and embedding models: what programs name. */
const LISTED = [
  ...['ada', 'babbage', 'curie', 'davinci', 'babbage-002', 'davinci-002'],
  ...['text-ada-001', 'text-babbage-001', 'text-curie-001', 'text-davinci-001'],
  ...['text-davinci-002', 'text-davinci-003', 'gpt-3.5-turbo-instruct'],
  ...['gpt-3.5-turbo', 'gpt-4', 'gpt-4-turbo', 'gpt-4o', 'gpt-4o-mini'],
  ...['gpt-4.1', 'gpt-4.1-mini', 'gpt-4.1-nano', 'gpt-5', 'gpt-5-mini', 'gpt-5-nano', 'o4-mini'],
  ...['text-embedding-ada-002', 'text-embedding-3-small', 'text-embedding-3-large'],
];

/** Also with a context size, and with the date of a snapshot: `gpt-3.5-turbo-16k-0613`. */
const VARIANT = /(-(16k|32k))?(-(latest|preview))?(-\d{4}(-\d{2}-\d{2})?)?(-preview)?$/;
const isKnownName = (name: string) =>
  LISTED.includes(name.toLowerCase()) || LISTED.includes(name.toLowerCase().replace(VARIANT, ''));
