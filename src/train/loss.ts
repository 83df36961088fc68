// What rows ask of the model and what they add up to. Losses are sums, not means: the mean of an
// optimizer step is taken once, over all its rows, however they were split.
import type { Row } from '../data/row.ts';

export type Sums = {
  /** Σ w·ce in nats. */
  loss: number;
  /** Σ w. */
  weight: number;
  /** Target tokens of answers whose most likely prediction was right. */
  correct: number;
  targets: number;
  /** Answers with every token right. */
  correctRows: number;
  rows: number;
};

export const noSums = (): Sums => ({
  loss: 0,
  weight: 0,
  correct: 0,
  targets: 0,
  correctRows: 0,
  rows: 0,
});

/** A row as the network reads it: the tokens up to the last one that predicts something. */
export type Sequence = {
  readonly ids: Int32Array;
  /** `targets[i]` is to be predicted after reading `ids[0..positions[i]]`. */
  readonly positions: readonly number[];
  readonly targets: readonly number[];
  readonly weights: readonly number[];
  /** Which of the targets is the first of the answer. */
  readonly answer: number;
};

/** Null where no token carries loss. Nothing behind the last target has influence (attention is causal),
 *  so it is not read at all. */
export function sequenceOf({ ids, weights, answer = 0 }: Row): Sequence | null {
  const at: number[] = [];
  for (let t = 1; t < ids.length; t++) if (weights[t] !== 0) at.push(t);
  return at.length === 0 ? null : sequence(ids, at, (t) => weights[t]!, answer);
}

/** Every token but the first is a target. */
export const wholeSequence = (ids: Int32Array): Sequence =>
  sequence(ids, [...ids.keys()].slice(1), () => 1, 0);

const sequence = (
  ids: Int32Array,
  at: readonly number[],
  weight: (t: number) => number,
  answer: number,
) => ({
  ids: ids.subarray(0, at.at(-1)),
  positions: at.map((t) => t - 1),
  targets: at.map((t) => ids[t]!),
  weights: at.map(weight),
  answer: at.filter((t) => t < answer).length,
});
