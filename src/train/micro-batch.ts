// Splits sequences into micro-batches of bounded size and a micro-batch into groups that attend
// together. Sequences are put in order of length, so that a group is one stretch of the flat list.
import type { Sequence } from './loss.ts';

export type Group = {
  /** First token of the group in the flat list. */
  readonly start: number;
  readonly tokens: number;
  readonly lengths: readonly number[];
  readonly longest: number;
  /** Stretches of queries that look at the keys before their end: about half of all pairs are skipped.
   *  A group of several rows is one block. */
  readonly blocks: readonly Block[];
};
export type Block = { readonly start: number; readonly end: number };
export type MicroBatch = {
  readonly sequences: readonly Sequence[];
  readonly tokens: number;
  readonly ids: Int32Array;
  /** Place of each token in its own sequence. */
  readonly positions: Int32Array;
  readonly groups: readonly Group[];
};

/** Batches of about equal size, on average at most `tokens` and none half as large again, but for a
 *  sequence that is that long by itself. */
export function microBatches(
  sequences: readonly Sequence[],
  tokens: number,
  heads: number,
): MicroBatch[] {
  const total = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const aim = total / Math.ceil(total / tokens);
  const batches: Sequence[][] = [];
  let size = Infinity;
  for (const sequence of sequences.toSorted((a, b) => b.ids.length - a.ids.length)) {
    if (size + sequence.ids.length / 2 > aim) {
      batches.push([]);
      size = 0;
    }
    batches.at(-1)!.push(sequence);
    size += sequence.ids.length;
  }
  return batches.map((batch) => microBatch(batch, heads));
}

function microBatch(sequences: readonly Sequence[], heads: number): MicroBatch {
  const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0);
  const ids = new Int32Array(tokens);
  const positions = new Int32Array(tokens);
  let start = 0;
  for (const sequence of sequences) {
    ids.set(sequence.ids, start);
    for (let t = 0; t < sequence.ids.length; t++) positions[start + t] = t;
    start += sequence.ids.length;
  }
  return { sequences, tokens, ids, positions, groups: attentionGroups(sequences, heads) };
}

// A group's scores should stay in the cache, yet a call should be worth its overhead.
const MOST_SCORES = 500_000;
// Padding is computed for nothing.
const LEAST_FILLED = 0.8;

function attentionGroups(sequences: readonly Sequence[], heads: number): Group[] {
  const groups: Group[] = [];
  let lengths: number[] = [];
  let start = 0;
  const finish = () => {
    const tokens = lengths.reduce((a, b) => a + b, 0);
    const longest = lengths[0]!;
    const blocks = lengths.length === 1 ? queryBlocks(longest) : [{ start: 0, end: longest }];
    groups.push({ start, tokens, lengths, longest, blocks });
    start += tokens;
    lengths = [];
  };
  for (const { ids } of sequences) {
    const longest = lengths[0] ?? ids.length;
    const scores = (lengths.length + 1) * heads * longest * longest;
    const full = scores > MOST_SCORES || ids.length < LEAST_FILLED * longest;
    if (lengths.length > 0 && full) finish();
    lengths.push(ids.length);
  }
  if (lengths.length > 0) finish();
  return groups;
}

// Shorter blocks skip more pairs, but a call has its price.
const BLOCK = 128;
function queryBlocks(length: number): Block[] {
  const count = Math.max(1, Math.round(length / BLOCK));
  const bound = (i: number) => Math.round((i * length) / count);
  return Array.from({ length: count }, (_, i) => ({ start: bound(i), end: bound(i + 1) }));
}

/** The group's rows of `flat` as [rows, longest, columns], padded with zeros. Even groups are a view. */
export function padded(
  flat: Float32Array,
  group: Group,
  columns: number,
  scratch: (size: number) => Float32Array,
): Float32Array {
  const { start, tokens, lengths, longest } = group;
  if (tokens === lengths.length * longest)
    return flat.subarray(start * columns, (start + tokens) * columns);
  const out = scratch(lengths.length * longest * columns);
  let from = start * columns;
  for (const [row, length] of lengths.entries()) {
    const to = row * longest * columns;
    out.set(flat.subarray(from, from + length * columns), to);
    out.fill(0, to + length * columns, to + longest * columns);
    from += length * columns;
  }
  return out;
}

/** Puts [rows, longest, columns] back; does nothing where `padded` gave a view. */
export function unpadded(from: Float32Array, flat: Float32Array, group: Group, columns: number) {
  const { start, tokens, lengths, longest } = group;
  if (tokens === lengths.length * longest) return;
  let to = start * columns;
  for (const [row, length] of lengths.entries()) {
    const at = row * longest * columns;
    flat.set(from.subarray(at, at + length * columns), to);
    to += length * columns;
  }
}
