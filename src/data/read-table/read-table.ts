// Any input as one stream of rows: CSV, TSV, XLSX, TXT, JSON, JSONL, Parquet; packed by gzip or zip; a
// directory of them; a stream. In constant memory, except XLSX and JSON that is no list of objects.
//
//   const table = await readTable({ path }, { encoding: 'gbk' });
//   for await (const item of table.items)
//     if (item.kind === 'row') item.values … else item.key, item.line …   (a Problem, see problems.ts)
//   await table.close();
//
// Encoding, format, sheet and columns are known before the first row, so that they can be shown and
// confirmed. What a file holds never throws, save when it cannot be read at all: a TableError.
import { readCsv } from './csv.ts';
import { decodeToUtf8, detectEncoding, type Encoding } from './encoding.ts';
import { detectFormat } from './format.ts';
import { readJson } from './json.ts';
import { readParquet } from './parquet.ts';
import { type Part, parts, type TableSource } from './source.ts';
import {
  DEFAULT_LIMITS,
  type Limits,
  problem,
  TableError,
  type TableFormat,
  type TableItem,
} from './table.ts';
import { readTxt } from './txt.ts';
import { readXlsx } from './xlsx.ts';

export type TableOptions = {
  /** A label that TextDecoder knows; without it, detected. */
  readonly encoding?: string | undefined;
  readonly format?: TableFormat | undefined;
  /** Name of a sheet or its number from 1; without it, the first. */
  readonly sheet?: string | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type TablePart = {
  readonly file: string;
  readonly format: TableFormat;
  /** Null for formats that fix their own: XLSX and Parquet. */
  readonly encoding: Encoding | null;
  /** Of a workbook. */
  readonly sheets: readonly string[];
};

export type Table = {
  /** One for each file that holds rows; they are read one after the other. */
  readonly parts: readonly TablePart[];
  readonly format: TableFormat;
  readonly encoding: Encoding | null;
  /** Of the header, or the keys of the first rows. Later JSON rows may have others. */
  readonly columns: readonly string[];
  /** Can be iterated once. */
  readonly items: AsyncIterable<TableItem>;
  /** Deletes what was spooled to disk. */
  readonly close: () => Promise<void>;
};

const FIRST_ROWS = 100;

export async function readTable(source: TableSource, options: TableOptions = {}): Promise<Table> {
  const limits = { ...DEFAULT_LIMITS, ...dropUndefined(options.limits ?? {}) };
  const opened = await parts(source, limits, options.signal);
  try {
    const known: OpenPart[] = [];
    for (const part of opened.parts) known.push(await open(part, options));
    const first = known[0];
    if (first === undefined) throw new TableError(opened.name, 'data.no_tables');
    const all = readAll(known, options, limits);
    const head: TableItem[] = [...opened.notes];
    const columns = new Set<string>();
    let rows = 0;
    while (rows < FIRST_ROWS) {
      const { value, done } = await all.next();
      if (done) break;
      head.push(value);
      if (value.kind !== 'row') continue;
      rows += 1;
      for (const key of Object.keys(value.values)) columns.add(key);
    }
    return {
      parts: known.map(({ part, format, encoding, sheets }) => ({
        file: part.file,
        format,
        encoding,
        sheets,
      })),
      format: first.format,
      encoding: first.encoding,
      columns: [...columns],
      items: followedBy(head, all),
      close: opened.close,
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

type OpenPart = {
  readonly part: Part;
  readonly format: TableFormat;
  readonly encoding: Encoding | null;
  readonly sheets: string[];
};

async function open(part: Part, options: TableOptions): Promise<OpenPart> {
  const format = options.format ?? (await detectFormat(part));
  const binary = format === 'xlsx' || format === 'parquet';
  const encoding = binary ? null : await detectEncoding(part, options.encoding);
  return { part, format, encoding, sheets: [] };
}

async function* readAll(
  all: readonly OpenPart[],
  options: TableOptions,
  limits: Limits,
): AsyncGenerator<TableItem> {
  let rows = 0;
  let first: string | null = null;
  for (const opened of all) {
    for await (const item of readPart(opened, options, limits)) {
      options.signal?.throwIfAborted();
      if (item.kind === 'row') {
        rows += 1;
        if (item.row === 1 && all.length > 1) {
          const columns = Object.keys(item.values).join(', ');
          first ??= columns;
          if (columns !== first)
            yield problem(item.file, item.line, 'data.other_columns', { columns, first });
        }
      }
      yield item;
    }
  }
  if (rows === 0 && all.length > 1) yield problem(all[0]!.part.file, 0, 'data.empty_table');
}

async function* readPart(
  { part, format, encoding, sheets }: OpenPart,
  options: TableOptions,
  limits: Limits,
): AsyncGenerator<TableItem> {
  if (format === 'xlsx') return yield* readXlsx(part, options.sheet, limits, sheets);
  if (format === 'parquet') return yield* readParquet(part, limits);
  if (encoding === null) throw new Error('a text format has an encoding');
  const text = decodeToUtf8(part, encoding);
  if (format === 'csv' || format === 'tsv') yield* readCsv(text, format, limits);
  else if (format === 'txt') yield* readTxt(text, limits);
  else yield* readJson(text, format, limits);
}

async function* followedBy<T>(head: readonly T[], rest: AsyncGenerator<T>): AsyncGenerator<T> {
  try {
    yield* head;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

const dropUndefined = (limits: Partial<Limits>): Partial<Limits> =>
  Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
