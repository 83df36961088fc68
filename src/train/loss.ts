// What rows ask of the model and what they add up to. Losses are sums, not means: the mean of an
// optimizer step is taken once, over all its rows, however they were split.
import type { Row } from '../data/row.ts';

export type Sums = {
  /** Σ w·ce in nats. */
  loss: number;
  /** Σ w. */
  weight: number;
  /** Target tokens whose most likely prediction was right. */
  correct: number;
  targets: number;
};

export const noSums = (): Sums => ({ loss: 0, weight: 0, correct: 0, targets: 0 });

/** A row as the network reads it: the tokens up to the last one that predicts something. */
export type Sequence = {
  readonly ids: Int32Array;
  /** `targets[i]` is to be predicted after reading `ids[0..positions[i]]`. */
  readonly positions: readonly number[];
  readonly targets: readonly number[];
  readonly weights: readonly number[];
};

/** Null where no token carries loss. Nothing behind the last target has influence (attention is causal),
 *  so it is not read at all. */
export function sequenceOf({ ids, weights }: Row): Sequence | null {
  const at: number[] = [];
  for (let t = 1; t < ids.length; t++) if (weights[t] !== 0) at.push(t);
  return at.length === 0 ? null : sequence(ids, at, (t) => weights[t]!);
}

/** Every token but the first is a target. */
export const wholeSequence = (ids: Int32Array): Sequence =>
  sequence(ids, [...ids.keys()].slice(1), () => 1);

const sequence = (ids: Int32Array, at: readonly number[], weight: (t: number) => number) => ({
  ids: ids.subarray(0, at.at(-1)),
  positions: at.map((t) => t - 1),
  targets: at.map((t) => ids[t]!),
  weights: at.map(weight),
});
