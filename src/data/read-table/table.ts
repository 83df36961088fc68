// What reading a table gives, whatever file it came from: rows and problems in file order.
// Knows nothing of prompts and completions; the readers beside this file know the formats.
import type { Params } from '../../messages/say.ts';
import type { Problem, ProblemKey } from '../problems.ts';

export const TABLE_FORMATS = ['csv', 'tsv', 'xlsx', 'txt', 'json', 'jsonl', 'parquet'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export type TableRow = {
  readonly kind: 'row';
  /** Name of the file, with the entry of an archive behind a colon. */
  readonly file: string;
  /** Line where the record begins; the sheet's row for XLSX, the row's number for Parquet. From 1. */
  readonly line: number;
  /** Number of the record in its file, from 1. */
  readonly row: number;
  /** Text for CSV, TSV and TXT; whatever the file holds for the others. Key order is column order. */
  readonly values: Readonly<Record<string, unknown>>;
};

/**
 * An error that a row follows has been repaired in that row (`repaired`): who accepts the repair uses
 * the row, who does not stops. An error without it stands for a record that is not among the rows.
 */
export type TableProblem = Problem & {
  readonly file: string;
  readonly repaired: boolean;
  /** The start of the record as it stands, where it could not become a row. */
  readonly raw?: string;
};

export type TableItem = TableRow | TableProblem;

export type Limits = {
  /** Of one record; a longer one is reported and skipped. */
  readonly recordBytes: number;
  readonly cellCharacters: number;
  readonly depth: number;
  /** Of a directory or an archive. */
  readonly files: number;
  /** Times a compressed file may grow, once it has grown past 64 MB. */
  readonly expansion: number;
  /** Of files that must be held as a whole: workbooks, and JSON that is no list. */
  readonly wholeBytes: number;
};

export const DEFAULT_LIMITS: Limits = {
  recordBytes: 64 * 1024 * 1024,
  cellCharacters: 4 * 1024 * 1024, // as many as a line of an upload may have
  depth: 500,
  files: 10_000,
  expansion: 300,
  wholeBytes: 128 * 1024 * 1024, // they take six times as much once they are read
};

/** The file as a whole cannot be read; the sentence and its remedy are in the catalogue. */
export class TableError extends Error {
  override readonly name = 'TableError';
  readonly problem: TableProblem;
  constructor(
    file: string,
    key: ProblemKey,
    params: Params = {},
    { line = 0, cause }: { line?: number; cause?: unknown } = {},
  ) {
    super(`${file}: ${key}`, { cause });
    this.problem = problem(file, line, key, params);
  }
}

export function problem(
  file: string,
  line: number,
  key: ProblemKey,
  params: Params = {},
  extra: Partial<Pick<TableProblem, 'level' | 'path' | 'repaired' | 'raw' | 'example'>> = {},
): TableProblem {
  return {
    kind: 'problem',
    level: 'error',
    file,
    line,
    example: 0,
    path: '',
    key,
    params,
    repaired: false,
    ...extra,
  };
}

/** What goes into a message or a list of rejected rows: enough to find it again. */
export const excerpt = (text: string) => (text.length > 2000 ? `${text.slice(0, 2000)}…` : text);
