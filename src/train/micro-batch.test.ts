import { expect, test } from 'vitest';
import { sequenceOf } from './loss.ts';
import { microBatches, padded, unpadded } from './micro-batch.ts';

const sequences = (...lengths: number[]) =>
  lengths.map((length) => {
    const ids = Int32Array.from({ length: length + 1 }, (_, i) => i);
    return sequenceOf({ ids, weights: new Float32Array(length + 1).fill(1) })!;
  });
const lengths = (batches: ReturnType<typeof microBatches>) =>
  batches.map(({ sequences: all }) => all.map(({ ids }) => ids.length));

test('rows of similar length share a batch of about the size asked for', () => {
  const batches = microBatches(sequences(100, 300, 110, 290, 100), 450, 1);
  expect(lengths(batches)).toEqual([
    [300, 290],
    [110, 100, 100],
  ]); // 450 on average
});

test('a row longer than a batch is one by itself, no row is lost', () => {
  expect(lengths(microBatches(sequences(900, 50, 60), 512, 1))).toEqual([[900], [60, 50]]);
  expect(microBatches([], 512, 1)).toEqual([]);
});

test('what follows the last target is not read', () => {
  const row = { ids: Int32Array.of(5, 6, 7, 8), weights: Float32Array.of(0, 1, 0.5, 0) };
  expect(sequenceOf(row)).toEqual({
    ids: Int32Array.of(5, 6),
    positions: [0, 1],
    targets: [6, 7],
    answer: 0,
    weights: [1, 0.5],
  });
});

test('a group of uneven rows is padded with zeros and put back without them', () => {
  const [batch] = microBatches(sequences(5, 4, 4), 512, 2);
  const [group] = batch!.groups;
  expect(group).toMatchObject({ start: 0, tokens: 13, lengths: [5, 4, 4], longest: 5 });
  const flat = Float32Array.from({ length: 26 }, (_, i) => i + 1);
  const wide = padded(flat, group!, 2, (size) => new Float32Array(size).fill(NaN));
  expect([...wide.subarray(18, 20)]).toEqual([0, 0]);
  const back = new Float32Array(26);
  unpadded(wide, back, group!, 2);
  expect(back).toEqual(flat);
});

test('queries of a long row come in blocks that cover it once', () => {
  const [batch] = microBatches(sequences(300), 512, 9);
  const { blocks } = batch!.groups[0]!;
  expect(blocks.length).toBeGreaterThan(1);
  expect(blocks[0]!.start).toBe(0);
  expect(blocks.at(-1)!.end).toBe(300);
  for (const [i, { start }] of blocks.entries()) if (i > 0) expect(start).toBe(blocks[i - 1]!.end);
});
