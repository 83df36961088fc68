// Lists of numbers that may have millions of entries, and what is told about them.

/** Grows by doubling; a plain array of a million numbers would take eight times the memory. */
export class Numbers {
  #values: Uint32Array;
  length = 0;
  constructor(size = 1024) {
    this.#values = new Uint32Array(size);
  }
  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length] = value;
    this.length += 1;
  }
  at(index: number): number {
    return this.#values[index]!;
  }
  get values(): Uint32Array {
    return this.#values.subarray(0, this.length);
  }
}

export type Distribution = {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  readonly p5: number;
  readonly p10: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly total: number;
};

export function distribution(numbers: Numbers): Distribution | null {
  if (numbers.length === 0) return null;
  const sorted = numbers.values.slice().sort();
  let total = 0;
  for (const value of sorted) total += value;
  const at = (q: number) => quantile(sorted, q);
  return {
    min: sorted[0]!,
    max: sorted.at(-1)!,
    mean: total / sorted.length,
    median: at(0.5),
    p5: at(0.05),
    p10: at(0.1),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    total,
  };
}

/** Linear between neighbours, as numpy.quantile does by default. */
function quantile(sorted: Uint32Array, q: number): number {
  const place = (sorted.length - 1) * q;
  const below = Math.floor(place);
  const [a, b] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return a + (b - a) * (place - below);
}
