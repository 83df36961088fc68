// Train and validation part, stratified: every label has its share in both. The legacy command drew
// rows blindly, so that a rare label could be missing from one of them.
import { randomStream, shuffled } from '../../lib/random.ts';
import type { Pair } from './pair.ts';

const MAX_VALID = 1000;

export function splitPairs(pairs: readonly Pair[], seed: number): { train: Pair[]; valid: Pair[] } {
  const wanted = pairs.length - Math.max(pairs.length - MAX_VALID, Math.floor(pairs.length * 0.8));
  const groups = new Map<string, Pair[]>();
  for (const pair of pairs) {
    const group = groups.get(pair.completion);
    if (group === undefined) groups.set(pair.completion, [pair]);
    else group.push(pair);
  }
  const labels = [...groups.values()];
  const counts = shares(
    labels.map(({ length }) => length),
    wanted,
  );
  const chosen = new Set<Pair>();
  for (const [i, group] of labels.entries()) {
    const drawn = shuffled(group, randomStream(seed, `prepare/valid ${i}`));
    for (const pair of drawn.slice(0, counts[i])) chosen.add(pair);
  }
  const train = pairs.filter((pair) => !chosen.has(pair));
  return {
    train: shuffled(train, randomStream(seed, 'prepare/train')),
    valid: pairs.filter((pair) => chosen.has(pair)),
  };
}

/** Largest remainders; a group keeps at least one row for training. */
function shares(sizes: readonly number[], wanted: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map((size) => (size * wanted) / Math.max(1, total));
  const counts = exact.map((share, i) => Math.min(Math.floor(share), sizes[i]! - 1));
  let left = wanted - counts.reduce((sum, count) => sum + count, 0);
  const order = exact
    .map((share, i) => ({ i, rest: share - counts[i]! }))
    .sort((a, b) => b.rest - a.rest || a.i - b.i);
  // A second round only where many groups have a single row.
  for (let round = 0; left > 0 && round < wanted; round++) {
    let given = 0;
    for (const { i } of order) {
      if (left === 0 || counts[i]! >= sizes[i]! - 1) continue;
      counts[i]! += 1;
      left -= 1;
      given += 1;
    }
    if (given === 0) break;
  }
  return counts;
}
