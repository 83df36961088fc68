// Steps that choose and order rows and change none of them. Every draw comes from the recipe's seed.
import { CodedError } from '../../lib/coded-error.ts';
import { randomStream, shuffled } from '../../lib/random.ts';
import { HashTable, hashText } from '../analyse/hash-table.ts';
import { NearDuplicates } from '../analyse/near.ts';
import { type Expression, isTrue, parseExpression, type Value, viewOfRow } from './expression.ts';
import type { RowSet } from './row-set.ts';
import type { Step } from './steps.ts';

export type Order = readonly number[];
type Of<Name extends Step['do']> = Extract<Step, { do: Name }>;

export const everyRow = (set: RowSet): number[] =>
  Array.from({ length: set.rows }, (_, row) => row);

/** Rows that stay, in order. */
export async function dedupe(set: RowSet, { how, by }: Of<'dedupe'>): Promise<Order> {
  if (how === 'near') {
    const near = new NearDuplicates();
    const textOf = async (row: number) => nearText(await set.value(row));
    for (let row = 0; row < set.rows; row++) near.add(row, await textOf(row));
    const gone = new Set((await near.find(textOf)).map(({ row }) => row));
    return (await dedupe(set, { do: 'dedupe', how: 'exact', by: 'row' })).filter(
      (row) => !gone.has(row),
    );
  }
  const expression = by === 'row' ? null : parseExpression(by);
  const seen = new HashTable();
  const kept: number[] = [];
  for (let row = 0; row < set.rows; row++) {
    const key =
      expression === null
        ? await set.text(row)
        : String(expression({ value: await set.value(row), line: set.lines[row]! }));
    if (seen.putFirst(hashText(key), row) === null) kept.push(row);
  }
  return kept;
}

function nearText(value: unknown): string {
  const view = viewOfRow(value);
  return view === null ? JSON.stringify(value) : `${view.prompt}\n${view.answer}`;
}

export async function filter(set: RowSet, { where }: Of<'filter'>): Promise<Order> {
  const expression = parseExpression(where);
  const kept: number[] = [];
  for (let row = 0; row < set.rows; row++)
    if (isTrue(expression({ value: await set.value(row), line: set.lines[row]! }))) kept.push(row);
  return kept;
}

export const shuffle = (set: RowSet, seed: number, purpose: string): Order =>
  shuffled(everyRow(set), randomStream(seed, purpose));

/** The same seed gives nested samples: the 25 % are among the 50 %. */
export function sample(set: RowSet, { rows, share }: Of<'sample'>, seed: number): Order {
  if ((rows === undefined) === (share === undefined))
    throw new CodedError('invalid_value', "sample needs either 'rows' or 'share'.", {
      param: 'sample',
    });
  const wanted = rows ?? Math.round(set.rows * share!);
  if (wanted > set.rows)
    throw new CodedError(
      'invalid_value',
      `sample asks for ${wanted} rows; there are ${set.rows}.`,
      {
        param: 'sample',
      },
    );
  return shuffle(set, seed, 'sample')
    .slice(0, wanted)
    .toSorted((a, b) => a - b);
}

export async function groupsBy(set: RowSet, by: string): Promise<Map<string, number[]>> {
  const expression = parseExpression(by);
  const groups = new Map<string, number[]>();
  for (let row = 0; row < set.rows; row++) {
    const key = String(expression({ value: await set.value(row), line: set.lines[row]! }));
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [row]);
    else known.push(row);
  }
  return groups;
}

/** Under: every class as small as the smallest. Over: as large as the largest, rows drawn again. */
export async function balance(
  set: RowSet,
  { how, by }: Of<'balance'>,
  seed: number,
): Promise<Order> {
  const groups = [...(await groupsBy(set, by))].toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (groups.length > 2 && groups.length > Math.min(1000, set.rows / 2))
    throw new CodedError(
      'invalid_value',
      `'${by}' has ${groups.length} different values in ${set.rows} rows; these are no classes.`,
      { param: 'balance' },
    );
  const sizes = groups.map(([, rows]) => rows.length);
  const size = how === 'under' ? Math.min(...sizes) : Math.max(...sizes);
  const kept: number[] = [];
  for (const [key, rows] of groups) {
    const random = randomStream(seed, `balance/${key}`);
    const mixed = shuffled(rows, random);
    for (let i = 0; i < size; i++)
      kept.push(i < mixed.length ? mixed[i]! : mixed[Math.floor(random() * mixed.length)]!);
  }
  return kept.toSorted((a, b) => a - b);
}

/** Rows of similar length stand together in buckets; the buckets are in random order. */
export async function bucket(
  set: RowSet,
  { rows: size }: Of<'bucket'>,
  seed: number,
): Promise<Order> {
  const lengths: number[] = [];
  for (let row = 0; row < set.rows; row++) lengths.push((await set.text(row)).length);
  const sorted = everyRow(set).toSorted((a, b) => lengths[a]! - lengths[b]! || a - b);
  const buckets: number[][] = [];
  for (let at = 0; at < sorted.length; at += size) buckets.push(sorted.slice(at, at + size));
  return shuffled(buckets, randomStream(seed, 'bucket')).flat();
}

export type Parts = readonly { readonly name: string; readonly rows: Order }[];

export async function split(
  set: RowSet,
  { parts, how, by }: Of<'split'>,
  seed: number,
): Promise<Parts> {
  const names = Object.keys(parts);
  const shares = Object.values(parts);
  const chosen = names.map(() => [] as number[]);
  const deal = (rows: readonly number[]) => {
    let from = 0;
    for (const [i, count] of counts(rows.length, shares).entries()) {
      chosen[i]!.push(...rows.slice(from, from + count));
      from += count;
    }
  };
  const keyed = () => {
    if (by === undefined)
      throw new CodedError('invalid_value', `a ${how} split needs an expression to split by.`, {
        param: 'split',
      });
    return by;
  };
  if (how === 'random') deal(shuffle(set, seed, 'split'));
  else if (how === 'stratified') {
    // Classes are dealt one after the other from a single stream, so that small ones do not all round
    // the same way.
    const groups = await groupsBy(set, by ?? 'label');
    const ordered = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const dealt = names.map(() => 0);
    let total = 0;
    for (const [key, rows] of ordered) {
      total += rows.length;
      const target = counts(total, shares);
      const mixed = shuffled(rows, randomStream(seed, `split/${key}`));
      let from = 0;
      for (const i of names.keys()) {
        const last = i === names.length - 1;
        const take = last
          ? mixed.length - from
          : Math.max(0, Math.min(mixed.length - from, target[i]! - dealt[i]!));
        chosen[i]!.push(...mixed.slice(from, from + take));
        dealt[i]! += take;
        from += take;
      }
    }
  } else if (how === 'group') {
    const groups = shuffled(
      [...(await groupsBy(set, keyed())).values()],
      randomStream(seed, 'split'),
    );
    for (const rows of groups.toSorted((a, b) => b.length - a.length)) {
      // To the part that lacks most of its share.
      let neediest = 0;
      for (const i of names.keys()) if (lack(i) > lack(neediest)) neediest = i;
      chosen[neediest]!.push(...rows);
    }
  } else {
    const expression = parseExpression(keyed());
    const times: Value[] = [];
    for (let row = 0; row < set.rows; row++)
      times.push(await timeOf(set, row, expression, keyed()));
    const sorted = everyRow(set).toSorted((a, b) => byTime(times[a]!, times[b]!) || a - b);
    deal(sorted);
    return names.map((name, i) => ({ name, rows: chosen[i]! }));
  }
  function lack(i: number): number {
    return shares[i]! * set.rows - chosen[i]!.length;
  }
  return names.map((name, i) => ({ name, rows: chosen[i]!.toSorted((a, b) => a - b) }));
}

async function timeOf(
  set: RowSet,
  row: number,
  expression: Expression,
  by: string,
): Promise<Value> {
  const value = expression({ value: await set.value(row), line: set.lines[row]! });
  if (value !== null && value !== '') return value;
  throw new CodedError('invalid_value', `line ${set.lines[row]} has no '${by}' to be ordered by.`, {
    param: 'split',
  });
}

function byTime(a: Value, b: Value): number {
  const [x, y] = [Number(a), Number(b)];
  if (Number.isFinite(x) && Number.isFinite(y)) return x - y;
  const [p, q] = [Date.parse(String(a)), Date.parse(String(b))];
  if (Number.isFinite(p) && Number.isFinite(q)) return p - q;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
}

/** Whole numbers that add up, the largest remainders rounded up. */
export function counts(total: number, shares: readonly number[]): number[] {
  const exact = shares.map((share) => share * total);
  const out = exact.map((value) => Math.floor(value + 1e-9));
  const rest = exact
    .map((value, i) => [value - out[i]!, i] as const)
    .toSorted((a, b) => b[0] - a[0] || a[1] - b[1]);
  let missing = total - out.reduce((sum, value) => sum + value, 0);
  for (const [, i] of rest) {
    if (missing <= 0) break;
    out[i]! += 1;
    missing -= 1;
  }
  return out;
}
