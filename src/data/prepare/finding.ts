// What a check has to say, and what it proposes to do about it.
import type { Say } from '../../messages/say.ts';
import type { Pair } from './pair.ts';

export type Remedy = {
  readonly text: string;
  readonly apply: (pairs: readonly Pair[]) => Pair[];
};

export type CheckFinding = {
  /** The legacy name of the check. */
  readonly code: string;
  readonly text: string;
  readonly rows: readonly Pair[];
  /** Ends the run. */
  readonly error?: boolean;
  readonly necessary?: Remedy;
  readonly optional?: Remedy;
};

export type Check = (pairs: readonly Pair[], say: Say) => CheckFinding | null;

const MAX_ROWS = 100;

/** `[3, 7]`, counted from 0 over all rows of the input. */
export function rowList(rows: readonly Pair[]): string {
  const numbers = rows.slice(0, MAX_ROWS).map(({ index }) => index);
  const rest = rows.length > MAX_ROWS ? `, … +${rows.length - MAX_ROWS}` : '';
  return `[${numbers.join(', ')}${rest}]`;
}
