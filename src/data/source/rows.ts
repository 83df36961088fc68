// Any input as a stream of JSON rows with the line and the place of each. JSONL is read as it lies;
// whatever else there is (tables, archives, folders, JSON lists) is first spooled to JSONL, so that
// what comes after can go back to a row's bytes.
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Params, Say } from '../../messages/say.ts';
import { MAX_LINE_BYTES, readLines } from '../lines.ts';
import { finding, type Problem, type ProblemKey } from '../problems.ts';
import { plainSpaces } from '../read-table/json.ts';
import { depthBeyond, depthOf } from '../read-table/json-values.ts';
import { readTable, type TableOptions } from '../read-table/read-table.ts';
import { statOf } from '../read-table/source.ts';
import { DEFAULT_LIMITS, type TableProblem } from '../read-table/table.ts';
import { jsonErrorAt } from './json-error.ts';
import { doubledKey } from './keys.ts';
import { removeOnExit } from './left-over.ts';
import { writeRowsTo } from './write-rows.ts';

export type SourceRow = {
  readonly kind: 'row';
  /** Line of the file, or the number that its reader gives a record. */
  readonly line: number;
  /** Number of the row, from 1, whether sound or not. */
  readonly example: number;
  /** Bytes of the row in `jsonl`. */
  readonly offset: number;
  readonly bytes: number;
  readonly text: string;
  readonly value: unknown;
  /** A problem of this row was told, and is mended in it. */
  readonly repaired: boolean;
};
export type SourceProblem = Problem & {
  /** From 1, where the fault has one. */
  readonly column: number | null;
  /** Where the input is several files: the one that is meant. */
  readonly file: string | null;
  /** The row follows all the same, mended as the message says. */
  readonly repaired: boolean;
};
export type SourceItem = SourceRow | SourceProblem;

export type Source = {
  readonly path: string;
  readonly name: string;
  /** Of the input: jsonl, json, csv … */
  readonly format: string;
  /** The rows as JSONL; the input itself where it is that. */
  readonly jsonl: string;
  readonly items: (signal?: AbortSignal) => AsyncGenerator<SourceItem>;
  /** A line of a JSONL input as it stands, for faults that can be mended; null for other inputs. */
  readonly raw: (line: number) => Promise<string | null>;
  readonly close: () => Promise<void>;
};

export type SourceOptions = Pick<TableOptions, 'encoding' | 'sheet'> & {
  readonly signal?: AbortSignal | undefined;
  /** Language of errors that name rows; English without it. */
  readonly say?: Say | undefined;
};

/** JSON lists up to this size are read whole; beyond, through the streaming reader of tables. */
const WHOLE_JSON_BYTES = 64 * 1024 * 1024;

/** Throws TableError or the system's error when the input cannot be read at all. */
export async function openSource(path: string, options: SourceOptions = {}): Promise<Source> {
  const found = await statOf(path);
  const name = basename(path);
  // A folder may be called anything.
  const plain = found.isFile() && options.encoding === undefined;
  if (plain && /\.(jsonl|ndjson)$/i.test(name))
    return {
      path,
      name,
      format: 'jsonl',
      jsonl: path,
      items: (signal) => jsonlItems(path, null, signal),
      raw: lineReader(path),
      close: async () => {},
    };
  const whole =
    plain && /\.json$/i.test(name) && found.size <= WHOLE_JSON_BYTES
      ? listIn(await readFile(path))
      : null;
  // Not awaited: a process that is told to end in between would leave the folder.
  const folder = mkdtempSync(join(tmpdir(), 'tunery-rows-'));
  const gone = removeOnExit(folder);
  const remove = async () => {
    await rm(folder, { recursive: true, force: true });
    gone();
  };
  try {
    const jsonl = join(folder, `${randomUUID()}.jsonl`);
    const spooled =
      whole === null ? await spoolTable(path, jsonl, options) : await spoolList(whole, jsonl);
    return {
      path,
      name,
      format: spooled.format,
      jsonl,
      items: (signal) => jsonlItems(jsonl, spooled, signal),
      raw: async () => null,
      close: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The list a JSON file is; null for anything else. */
function listIn(bytes: Buffer): readonly unknown[] | null {
  if (depthOf(bytes) > DEFAULT_LIMITS.depth) return null; // the reader of tables names the row
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8').replace(/^\ufeff/, ''));
  } catch {
    return null; // the reader of tables says what is wrong, and reads JSONL that is named .json
  }
  return Array.isArray(value) ? (value as unknown[]) : null;
}

type Spooled = {
  readonly format: string;
  /** Source line of each spooled row. */
  readonly lines: readonly number[];
  readonly problems: readonly SourceProblem[];
  /** Numbers of spooled rows, from 1, that follow a repair. */
  readonly repaired: ReadonlySet<number>;
};

async function spoolList(list: readonly unknown[], output: string): Promise<Spooled> {
  await writeRowsTo(output, async (writer) => {
    for (const item of list) await writer.line(JSON.stringify(item));
  });
  const lines = list.map((_, i) => i + 1);
  return { format: 'json', lines, problems: [], repaired: new Set() };
}

async function spoolTable(path: string, output: string, options: SourceOptions): Promise<Spooled> {
  const table = await readTable({ path }, options);
  const several = table.parts.length > 1;
  const lines: number[] = [];
  const problems: SourceProblem[] = [];
  const places = new Set<string>();
  const repaired = new Set<number>();
  try {
    await writeRowsTo(output, async (writer) => {
      for await (const item of table.items) {
        const place = `${item.line} ${item.file}`;
        if (item.kind === 'problem') {
          problems.push(fromTable(item, several));
          if (item.repaired) places.add(place);
        } else {
          lines.push(item.line);
          if (places.has(place)) repaired.add(lines.length);
          await writer.line(JSON.stringify(item.values));
        }
      }
    });
    return { format: table.format, lines, problems, repaired };
  } finally {
    await table.close();
  }
}

const fromTable = (
  { file, repaired, kind, level, line, example, path, key, params }: TableProblem,
  several: boolean,
): SourceProblem => ({
  ...{ kind, level, line, example, path, key, params, repaired },
  column: null,
  file: several ? file : null,
});

const problem = (
  line: number,
  example: number,
  key: ProblemKey,
  params: Params = {},
  column: number | null = null,
): SourceProblem => ({
  kind: 'problem',
  level: 'error',
  line,
  example,
  ...finding('', key, params),
  column,
  file: null,
  repaired: false,
});

async function* jsonlItems(
  path: string,
  spooled: Spooled | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<SourceItem> {
  if (spooled !== null) yield* spooled.problems;
  let example = 0;
  let seen = 0;
  for await (const line of readLines(path)) {
    if (line.kind === 'utf16') return yield problem(0, 0, 'data.utf16');
    if (line.kind === 'packed') return yield problem(0, 0, 'data.packed', { format: line.format });
    if (line.kind === 'bom') {
      yield { ...problem(0, 0, 'data.bom'), level: 'note' };
      continue;
    }
    if (line.kind === 'text' && line.text.trim() === '') continue;
    example += 1;
    if (++seen % CHECK_SIGNAL === 0) signal?.throwIfAborted();
    const at = spooled?.lines[line.line - 1] ?? line.line;
    if (line.kind === 'too-long')
      yield problem(at, example, 'data.line_too_long', {
        bytes: line.bytes,
        limit: MAX_LINE_BYTES,
      });
    else if (line.kind === 'not-utf8') yield problem(at, example, 'data.not_utf8');
    else yield parsed(at, example, line, spooled?.repaired.has(line.line) ?? false);
  }
  if (example > 0 || (spooled !== null && spooled.problems.length > 0)) return;
  yield problem(0, 0, spooled === null ? 'data.empty_file' : 'data.empty_table');
}

const CHECK_SIGNAL = 1000;

type TextLine = { readonly text: string; readonly offset: number; readonly bytes: number };

function parsed(
  line: number,
  example: number,
  { text, offset, bytes }: TextLine,
  repaired: boolean,
): SourceItem {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (text.startsWith('\ufeff') && jsonErrorAt(text.slice(1)) === null)
      return problem(line, example, 'data.bom_inside', {}, 1);
    const found = jsonErrorAt(text);
    const column = found === null ? null : found.at + 1;
    const { plain, count } = plainSpaces(text);
    if (count > 0 && jsonErrorAt(plain) === null) {
      const inside = plain.split('\u00a0').length - 1;
      return problem(line, example, 'data.no_break_space', { inside }, column);
    }
    if (found?.early === true && /^\s*\{/.test(text))
      return problem(line, example, 'data.truncated', {}, column);
    const reason = (error as Error).message.replace(/( in JSON)? at position.*$/, '');
    return problem(line, example, 'data.not_json', { reason }, column);
  }
  const depth = depthBeyond(text, DEFAULT_LIMITS.depth);
  if (depth !== null)
    return problem(line, example, 'data.too_deep', { depth, limit: DEFAULT_LIMITS.depth });
  const key = doubledKey(text, value);
  if (key !== null) return problem(line, example, 'data.doubled_key', { key });
  return { kind: 'row', line, example, offset, bytes, text, value, repaired };
}

/** The text of rows at known places, for a second look. */
export async function rowReader(jsonl: string) {
  const file = await open(jsonl);
  return {
    read: async (offset: number, bytes: number): Promise<string> => {
      const buffer = Buffer.allocUnsafe(bytes);
      await file.read(buffer, 0, bytes, offset);
      return buffer.toString('utf8');
    },
    close: () => file.close(),
  };
}

/** Lines are asked for in rising order, so the file is read once. */
function lineReader(path: string) {
  let lines: ReturnType<typeof readLines> | null = null;
  return async (wanted: number): Promise<string | null> => {
    lines ??= readLines(path);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) return null;
      if ('line' in value && value.line === wanted)
        return value.kind === 'text' ? value.text : null;
    }
  };
}
