// A row: one training example as the model sees it. Everything downstream of render.ts speaks rows.

/** `weights[t]` weighs the loss of predicting `ids[t]` from `ids[0..t)`; `weights[0]` is never used. */
export type Row = { readonly ids: Int32Array; readonly weights: Float32Array };

export const targetTokens = ({ weights }: Row) => {
  let count = 0;
  for (let t = 1; t < weights.length; t++) if (weights[t]! > 0) count += 1;
  return count;
};
