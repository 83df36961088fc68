// 64-bit hashes of texts and the row each was first seen in, in typed arrays: 12 bytes an entry. Two
// different texts out of a million share a hash once in 37 million files.

export type Hash = readonly [high: number, low: number];

/** cyrb53 with both halves kept (public domain, bryc). */
export function hashText(text: string, seed = 0): Hash {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x9e3779b1);
    low = Math.imul(low ^ code, 0x5f356495);
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return [high >>> 0, low >>> 0];
}

export class HashTable {
  #high: Uint32Array;
  #low: Uint32Array;
  /** Value + 1; 0 is free. */
  #value: Uint32Array;
  #size = 0;
  constructor(capacity = 1024) {
    this.#high = new Uint32Array(capacity);
    this.#low = new Uint32Array(capacity);
    this.#value = new Uint32Array(capacity);
  }

  /** The value that was put first for this hash; null when it was put just now. */
  putFirst([high, low]: Hash, value: number): number | null {
    if (this.#size * 10 > this.#value.length * 7) this.#grow();
    const slot = this.#slot(high, low);
    const known = this.#value[slot]!;
    if (known !== 0) return known - 1;
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#value[slot] = value + 1;
    this.#size += 1;
    return null;
  }

  get([high, low]: Hash): number | null {
    const known = this.#value[this.#slot(high, low)]!;
    return known === 0 ? null : known - 1;
  }

  get size(): number {
    return this.#size;
  }

  #slot(high: number, low: number): number {
    const mask = this.#value.length - 1;
    let slot = (low ^ Math.imul(high, 0x9e3779b1)) & mask;
    while (this.#value[slot] !== 0 && (this.#low[slot] !== low || this.#high[slot] !== high))
      slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [high, low, value] = [this.#high, this.#low, this.#value];
    this.#high = new Uint32Array(high.length * 2);
    this.#low = new Uint32Array(high.length * 2);
    this.#value = new Uint32Array(high.length * 2);
    for (let i = 0; i < value.length; i++) {
      if (value[i] === 0) continue;
      const slot = this.#slot(high[i]!, low[i]!);
      this.#high[slot] = high[i]!;
      this.#low[slot] = low[i]!;
      this.#value[slot] = value[i]!;
    }
  }
}
