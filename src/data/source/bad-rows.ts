// Rows that stop a conversion or a transformation, as one error: the first of them with place and
// reason, how many there are, and what to do.
import { CodedError } from '../../lib/coded-error.ts';
import type { MessageKey } from '../../messages/en.ts';
import type { Say } from '../../messages/say.ts';
import { explain } from '../problems.ts';
import type { SourceProblem } from './rows.ts';

export type BadRow = {
  readonly line: number;
  readonly column: number | null;
  /** Where the input is several files. */
  readonly file: string | null;
  readonly path: string;
  readonly reason: string;
};

/** Nobody corrects more at once; whoever collects them stops there. */
export const MOST_BAD = 100;
const SHOWN = 5;

export function badRows(
  name: string,
  rows: readonly BadRow[],
  fix: Extract<MessageKey, `rows.${string}`>,
  say: Say,
): CodedError {
  const shown = rows.slice(0, SHOWN).map((row) => rowText(row, say));
  const rest = rows.length - shown.length;
  const more = rest > 0 ? say('rows.more', { count: rest }) : '';
  const params = {
    name,
    count: rows.length >= MOST_BAD ? `${MOST_BAD}+` : rows.length,
    list: `${shown.join(say('rows.between'))}${more}`,
    fix: say(fix),
  };
  return new CodedError('bad_rows', say('rows.bad', params), { param: 'file' });
}

/** What a reader found wrong with a row. Throws where it is the file as a whole that is wrong. */
export function badRow(name: string, item: SourceProblem, say: Say): BadRow {
  const { line, column, file, path } = item;
  const { what, fix } = explain(item, say);
  if (line === 0)
    throw new CodedError('unreadable_file', `${file ?? name}: ${what}. ${fix}`, { param: 'file' });
  return { line, column, file, path, reason: what };
}

function rowText({ line, column, file, path, reason }: BadRow, say: Say): string {
  const at =
    column === null ? say('rows.place', { line }) : say('rows.place_column', { line, column });
  return say('rows.reason', { place: [file, at, path].filter(Boolean).join(', '), reason });
}
