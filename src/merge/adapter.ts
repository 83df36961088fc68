// An adapter folded into its base model: W' = W + scale · B·A for every adapted linear layer.
// LoRA (arXiv:2106.09685) §4.1. Shape letters: O out · I in · R rank.
import { type Adapter, adapterPairs, adapterScale, checkAdapterFits } from '../weights/adapter.ts';
import type { ModelFile } from '../weights/model-file.ts';

/** A reader of the merged weights, with the names of the base model. `strength` 1 is the whole
 *  adapter, 0 the base model. Throws AdapterError where the adapter does not fit. */
export function mergedWeights(
  model: ModelFile,
  adapter: Adapter,
  strength = 1,
): (name: string) => Promise<Float32Array> {
  checkAdapterFits(adapter, model.config);
  const pairs = adapterPairs(adapter);
  const scale = strength * adapterScale(adapter);
  return async (name) => {
    const weight_OI = await model.tensor(name);
    const pair = pairs.get(name.replace(/\.weight$/, ''));
    if (!pair) return weight_OI;
    return addLowRank(weight_OI, pair.b.data, pair.a.data, adapter.rank, scale);
  };
}

/** W + scale · B·A; the product is summed in 64 bits, so that merging rounds once. */
export function addLowRank(
  weight_OI: Float32Array,
  b_OR: Float32Array,
  a_RI: Float32Array,
  R: number,
  scale: number,
): Float32Array {
  const O = b_OR.length / R;
  const I = a_RI.length / R;
  const merged_OI = new Float32Array(weight_OI.length);
  const row_I = new Float64Array(I);
  for (let o = 0; o < O; o++) {
    for (let i = 0; i < I; i++) row_I[i] = weight_OI[o * I + i]!;
    for (let r = 0; r < R; r++) {
      const factor = scale * b_OR[o * R + r]!;
      for (let i = 0; i < I; i++) row_I[i]! += factor * a_RI[r * I + i]!;
    }
    merged_OI.set(row_I, o * I);
  }
  return merged_OI;
}
