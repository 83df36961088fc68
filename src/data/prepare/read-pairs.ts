// Rows of the input → pairs: conditions, names, columns. Keeps what it saw for the checks of columns.
import { randomStream, shuffled } from '../../lib/random.ts';
import { problem, type TableItem, type TableRow } from '../read-table/table.ts';
import type { Mapping } from './mapping.ts';
import { MappingError, partOf } from './mapping.ts';
import type { Pair } from './pair.ts';
import { meets } from './row-steps.ts';
import type { Session } from './session.ts';

export type RowsRead = {
  /** All that the input holds, before conditions. */
  readonly all: number;
  readonly met: number;
};

/** Gives each row that meets the conditions to `use`, with its names filled in. */
export async function eachRow(
  items: AsyncIterable<TableItem>,
  session: Session,
  use: (row: TableRow, values: Record<string, unknown>, index: number) => void,
): Promise<RowsRead> {
  const { where, signal, onRows } = session.options;
  let all = 0;
  let met = 0;
  for await (const item of items) {
    signal.throwIfAborted();
    if (item.kind === 'problem') {
      session.problems.add(item);
      continue;
    }
    all += 1;
    if (all % ROWS_BETWEEN === 0) onRows?.(all);
    if (!meets(item.values, where)) continue;
    met += 1;
    use(item, session.placeholders.fill(item.values), all - 1);
  }
  return { all, met };
}

const ROWS_BETWEEN = 10_000;

export type PairsRead = RowsRead & {
  readonly pairs: Pair[];
  /** Every column that a row had, in the order of their appearance. */
  readonly columns: readonly string[];
  /** Values that were numbers or true and false. */
  readonly converted: number;
};

/** With `mapping` null the columns prompt and completion are taken, whatever their case. */
export async function readPairs(
  items: AsyncIterable<TableItem>,
  known: readonly string[],
  mapping: Mapping | null,
  session: Session,
): Promise<PairsRead> {
  const columns = new Set(known);
  const pairs: Pair[] = [];
  let converted = 0;
  const sources = mapping ?? byName(known);
  const read = await eachRow(items, session, (row, values, index) => {
    for (const column in values) if (!columns.has(column)) columns.add(column);
    try {
      const { prompt, completion } = sources;
      pairs.push({
        prompt: prompt === null ? '' : partOf(prompt, values),
        completion: completion === null ? '' : partOf(completion, values),
        file: row.file,
        line: row.line,
        index,
      });
      for (const source of [prompt, completion])
        if (source !== null && 'column' in source && isConverted(values[source.column]))
          converted += 1;
    } catch (error) {
      if (!(error instanceof MappingError)) throw error;
      const params = { expected: 'text', got: error.message };
      const extra = { path: String(error.cause), raw: JSON.stringify(values).slice(0, 2000) };
      session.problems.add(problem(row.file, row.line, 'data.wrong_type', params, extra));
    }
  });
  return { ...read, pairs, columns: [...columns], converted };
}

function byName(columns: readonly string[]) {
  const find = (name: string) => {
    const column = columns.includes(name)
      ? name
      : columns.find((candidate) => candidate.toLowerCase() === name);
    return column === undefined ? null : { column };
  };
  return { prompt: find('prompt'), completion: find('completion') };
}

const isConverted = (value: unknown) =>
  value !== null && value !== undefined && typeof value !== 'string';

/** Draws rows by chance and keeps their order. */
export function sampled<T>(rows: readonly T[], count: number, seed: number): T[] {
  if (count >= rows.length) return [...rows];
  const numbers = shuffled([...rows.keys()], randomStream(seed, 'prepare/sample'));
  const drawn = numbers.slice(0, count).sort((a, b) => a - b);
  return drawn.map((i) => rows[i]!);
}
