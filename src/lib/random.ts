// Counter-based random numbers: each draw is a function of (seed, stream, counter) and of nothing
// else, so that a resumed run draws what an undisturbed one would have drawn.

/** A generator of numbers in [0, 1) for one purpose, such as `shuffle/epoch 3`. */
export function randomStream(seed: number, purpose: string): () => number {
  let key = hash(seed >>> 0, 0x9e3779b9);
  for (let i = 0; i < purpose.length; i++) key = hash(key, purpose.charCodeAt(i));
  let counter = 0;
  return () => {
    const high = hash(key, counter) >>> 5;
    const low = hash(key ^ 0x5bd1e995, counter) >>> 6;
    counter += 1;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992; // 27 + 26 bits, as in MT19937's genrand_res53
  };
}

/** Fisher–Yates; returns a new array. */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

// MurmurHash3's 32-bit finalizer over a mixed pair.
function hash(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b), 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
