// Near-duplicates: rows that share four fifths of their runs of five characters. One-permutation
// MinHash (Li, Owen, Zhang 2012, arXiv:1208.1259) finds pairs that are likely, band by band; each pair
// is then compared exactly. 64 bytes a row, and one band's keys at a time: of each bin's minimum only eight
// bits are kept (b-bit MinHash, Li, König 2010, arXiv:0910.3349), so that two bins agree by chance once in 256.
import { Numbers } from './numbers.ts';

const BINS = 64;
const BANDS = 16;
const BAND_ROWS = BINS / BANDS;
const SHINGLE = 5;
/** Share of runs in common from which two rows count as the same. */
export const NEAR = 0.8;
/** The estimate errs by 0.05 (one sigma): pairs below this are not worth reading again. */
const WORTH_READING = 0.65;

export type NearPair = { readonly row: number; readonly like: number };

export class NearDuplicates {
  /** In blocks: one large array would be copied, and doubled, as it grows. */
  readonly #blocks: Uint8Array[] = [];
  readonly #rows = new Numbers();

  /** Rows shorter than two runs are left to the search for exact duplicates. */
  add(row: number, text: string): void {
    const normal = normalUnits(text);
    if (normal.length < 2 * SHINGLE) return;
    const place = this.#rows.length % BLOCK_ROWS;
    if (place === 0) this.#blocks.push(new Uint8Array(BINS * BLOCK_ROWS));
    signatureInto(this.#blocks.at(-1)!, place * BINS, normal);
    this.#rows.push(row);
  }

  /** Each row that is like an earlier one, once. `textOf` reads a row again; `signal` ends the search. */
  async find(
    textOf: (row: number) => Promise<string>,
    signal?: AbortSignal,
  ): Promise<readonly NearPair[]> {
    const count = this.#rows.length;
    const cluster = Uint32Array.from({ length: count }, (_, i) => i);
    const root = (i: number): number => {
      let at = i;
      while (cluster[at] !== at) {
        cluster[at] = cluster[cluster[at]!]!;
        at = cluster[at]!;
      }
      return at;
    };
    const texts = recent(async (i: number) =>
      shinglesOf(normalUnits(await textOf(this.#rows.at(i)))),
    );
    const keys = new Float64Array(count);
    for (let band = 0; band < BANDS; band++) {
      for (let i = 0; i < count; i++) keys[i] = this.#bandKey(i, band) * ROWS_IN_KEY + i;
      keys.sort();
      for (let from = 0; from < count; ) {
        const key = Math.floor(keys[from]! / ROWS_IN_KEY);
        const first = keys[from]! - key * ROWS_IN_KEY;
        let previous = first;
        let at = from + 1;
        for (; at < count && Math.floor(keys[at]! / ROWS_IN_KEY) === key; at++) {
          const row = keys[at]! - key * ROWS_IN_KEY;
          // In a crowd, the head and the neighbour stand for all: comparing every pair would never end.
          for (const other of previous === first ? [first] : [first, previous]) {
            const [a, b] = [root(row), root(other)];
            if (a === b || this.#likeness(row, other) < WORTH_READING) continue;
            if (jaccard(await texts(row), await texts(other)) < NEAR) continue;
            cluster[Math.max(a, b)] = Math.min(a, b);
          }
          previous = row;
        }
        from = at;
      }
      signal?.throwIfAborted();
    }
    const pairs: NearPair[] = [];
    for (let i = 0; i < count; i++)
      if (root(i) !== i) pairs.push({ row: this.#rows.at(i), like: this.#rows.at(root(i)) });
    return pairs;
  }

  #block(i: number): Uint8Array {
    return this.#blocks[Math.floor(i / BLOCK_ROWS)]!;
  }

  #bandKey(i: number, band: number): number {
    const block = this.#block(i);
    const at = (i % BLOCK_ROWS) * BINS + band * BAND_ROWS;
    let key = 0;
    for (let k = 0; k < BAND_ROWS; k++) key = (key << 8) | block[at + k]!;
    return key >>> 0;
  }

  #likeness(a: number, b: number): number {
    const [x, y] = [this.#block(a), this.#block(b)];
    const [p, q] = [(a % BLOCK_ROWS) * BINS, (b % BLOCK_ROWS) * BINS];
    let same = 0;
    for (let k = 0; k < BINS; k++) if (x[p + k] === y[q + k]) same += 1;
    return same / BINS;
  }
}

const BLOCK_ROWS = 16_384;

/** Key (32 bits) and row (21 bits) in one double: two million rows. */
const ROWS_IN_KEY = 2 ** 21;

let units = new Uint16Array(4096);

/** Upper and lower case of ASCII and white space make no difference. Valid until the next call. */
function normalUnits(text: string): Uint16Array {
  if (units.length < text.length) units = new Uint16Array(text.length * 2);
  let length = 0;
  let space = true;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 32 || (code >= 9 && code <= 13) || code === 0xa0 || code === 0x3000) {
      if (!space) units[length++] = 32;
      space = true;
      continue;
    }
    space = false;
    units[length++] = code >= 65 && code <= 90 ? code + 32 : code;
  }
  return units.subarray(0, space && length > 0 ? length - 1 : length);
}

const lowest = new Uint32Array(BINS);

function signatureInto(signatures: Uint8Array, at: number, text: Uint16Array): void {
  lowest.fill(0xffffffff);
  for (let i = 0; i + SHINGLE <= text.length; i++) {
    const hash = shingleHash(text, i);
    const bin = hash & (BINS - 1);
    const value = hash >>> 6;
    if (value < lowest[bin]!) lowest[bin] = value;
  }
  // An empty bin borrows from the next one that is not (Shrivastava, Li 2014, arXiv:1406.4784).
  for (let bin = 0; bin < BINS; bin++) {
    let from = bin;
    while (lowest[from] === 0xffffffff) from = (from + 1) % BINS;
    const distance = (from - bin + BINS) % BINS;
    signatures[at + bin] = mix(lowest[from]! + distance * 0x9e3779b1) & 0xff;
  }
}

function shingleHash(text: Uint16Array, from: number): number {
  let hash = 0x9747b28c;
  for (let i = from; i < from + SHINGLE; i++) hash = Math.imul(hash ^ text[i]!, 0x5bd1e995);
  return mix(hash) >>> 0;
}

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function shinglesOf(text: Uint16Array): Set<number> {
  const set = new Set<number>();
  for (let i = 0; i + SHINGLE <= text.length; i++) set.add(shingleHash(text, i));
  return set;
}

function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  if (small.size < NEAR * large.size) return 0;
  let same = 0;
  for (const item of small) if (large.has(item)) same += 1;
  return same / (a.size + b.size - same);
}

/** Rows of a crowd are asked for again and again. */
function recent<T>(load: (key: number) => Promise<T>): (key: number) => Promise<T> {
  const kept = new Map<number, T>();
  return async (key) => {
    const known = kept.get(key);
    if (known !== undefined) return known;
    const value = await load(key);
    if (kept.size >= KEPT) kept.delete(kept.keys().next().value!);
    kept.set(key, value);
    return value;
  };
}
const KEPT = 256;
