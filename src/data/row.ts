// A row: one training example as the model sees it. Everything downstream of render.ts speaks rows.

/** `weights[t]` weighs the loss of predicting `ids[t]` from `ids[0..t)`; `weights[0]` is never used. */
export type Row = {
  readonly ids: Int32Array;
  readonly weights: Float32Array;
  /** First token that counts as answer: those before carry loss but say nothing of what was learned to
   *  say. Absent: every token with weight counts. */
  readonly answer?: number;
};

export const targetTokens = ({ weights }: Row) => {
  let count = 0;
  for (let t = 1; t < weights.length; t++) if (weights[t]! > 0) count += 1;
  return count;
};

/** Gives the tokens before the first target a weight of their own; what is answered stays the same. */
export const withPromptWeight = (rows: readonly Row[], weight: number): Row[] =>
  rows.map(({ ids, weights }) => {
    const first = weights.findIndex((value, t) => t > 0 && value > 0);
    const answer = first < 0 ? ids.length : first;
    return { ids, weights: weights.map((value, t) => (t < answer ? weight : value)), answer };
  });
