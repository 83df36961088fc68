// Puts rows that say nearly the same into one group, so that no row is measured by its own twin.
import { randomStream } from '../../src/lib/random.ts';
import type { Row } from './rows.ts';

const SAME = 0.4; // shared features among all features of two rows (Jaccard)
const BANDS = 16;
const PER_BAND = 3;

/** For each row the number of its part, 0 to `parts` − 1; near twins share one. */
export function partsOf(rows: readonly Row[], parts: number): number[] {
  const group = rows.map((_, i) => i);
  const find = (i: number): number => {
    let root = i;
    while (group[root] !== root) root = group[root]!;
    group[i] = root;
    return root;
  };
  for (const [a, b] of candidates(rows)) {
    if (find(a) !== find(b) && overlap(rows[a]!.features, rows[b]!.features) >= SAME)
      group[find(b)] = find(a);
  }
  return rows.map((_, i) => Math.floor(randomStream(find(i), 'part')() * parts));
}

/** Pairs that are probably alike: equal smallest hashes (MinHash) in one of the bands. */
function* candidates(rows: readonly Row[]): Generator<[number, number]> {
  for (let band = 0; band < BANDS; band++) {
    const first = new Map<string, number>();
    for (const [i, { features }] of rows.entries()) {
      const key = Array.from({ length: PER_BAND }, (_, k) =>
        smallest(features, band * PER_BAND + k),
      ).join();
      const other = first.get(key);
      if (other === undefined) first.set(key, i);
      else yield [other, i];
    }
  }
}

function smallest(features: Uint16Array, salt: number): number {
  let least = 0xffffffff;
  for (const feature of features) {
    let h = Math.imul(feature + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
    least = Math.min(least, (h ^ (h >>> 13)) >>> 0);
  }
  return least;
}

function overlap(a: Uint16Array, b: Uint16Array): number {
  const both = new Set(a);
  const shared = b.reduce((count, feature) => count + (both.has(feature) ? 1 : 0), 0);
  return shared / Math.max(1, a.length + b.length - shared);
}
