// Length of the longest common subsequence, 32 positions of the pattern at a time (Hyyrö 2004).

/** A sequence that many others are compared with. */
export type Pattern<T> = { readonly length: number; readonly masks: ReadonlyMap<T, Uint32Array> };

export function patternOf<T>(items: readonly T[]): Pattern<T> {
  const masks = new Map<T, Uint32Array>();
  const words = Math.ceil(items.length / 32);
  for (const [i, item] of items.entries()) {
    const mask = masks.get(item) ?? new Uint32Array(words);
    mask[i >>> 5]! |= 1 << (i & 31);
    masks.set(item, mask);
  }
  return { length: items.length, masks };
}

/** With `items[from]` to `items[to - 1]`. */
export function commonLength<T>(
  pattern: Pattern<T>,
  items: readonly T[],
  from = 0,
  to = items.length,
): number {
  const open = start(pattern);
  for (let i = from; i < to; i++) advance(open, pattern.masks.get(items[i]!));
  return matched(open, pattern.length);
}

/** With the first item, the first two, and so on to all. */
export function commonLengths<T>(pattern: Pattern<T>, items: readonly T[]): number[] {
  const open = start(pattern);
  return items.map((item) => {
    advance(open, pattern.masks.get(item));
    return matched(open, pattern.length);
  });
}

// A zero bit: one more position of the pattern is matched.
const start = ({ length }: { readonly length: number }) =>
  new Uint32Array(Math.ceil(length / 32)).fill(0xffffffff);

function advance(open: Uint32Array, mask: Uint32Array | undefined): void {
  if (mask === undefined) return;
  let carry = 0;
  for (let w = 0; w < open.length; w++) {
    const hits = (open[w]! & mask[w]!) >>> 0;
    const sum = open[w]! + hits + carry;
    carry = sum > 0xffffffff ? 1 : 0;
    open[w] = sum | (open[w]! & ~mask[w]!);
  }
}

function matched(open: Uint32Array, length: number): number {
  let ones = 0;
  for (const word of open) ones += bits(word);
  return open.length * 32 - ones - surplus(open, length);
}

/** Zeros past the end of the pattern: a carry may run out there. */
function surplus(open: Uint32Array, length: number): number {
  const used = length & 31;
  if (used === 0) return 0;
  const past = (0xffffffff << used) >>> 0;
  return 32 - used - bits(open[open.length - 1]! & past);
}

function bits(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
