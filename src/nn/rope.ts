// Rotary position tables (arXiv:2104.09864): pair i of position p turns by p·theta^(-2i/headDim)/factor_i.
export type RopeTables = { readonly cos: Float32Array; readonly sin: Float32Array };

type RopeOptions = {
  readonly positions: number;
  readonly headDim: number;
  readonly theta: number;
  /** Divides each pair's frequency, for models stretched to longer contexts. */
  readonly factors: readonly number[] | null;
};

/** Both tables are [positions, headDim/2]. */
export function ropeTables({ positions, headDim, theta, factors }: RopeOptions): RopeTables {
  const half = headDim / 2;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  // Frequencies are rounded to 32 bits first, as the models were trained.
  const frequency = Float32Array.from({ length: half }, (_, i) =>
    Math.fround(1 / theta ** ((2 * i) / headDim) / (factors?.[i] ?? 1)),
  );
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(p * frequency[i]!);
      cos[p * half + i] = Math.cos(angle);
      sin[p * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
