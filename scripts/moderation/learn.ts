// A linear support vector machine over hashed features, one category at a time: dual coordinate descent
// (Hsieh et al. 2008, algorithm 1, squared hinge loss), rows in an order drawn from a fixed seed. The
// same rows give the same bits.
import { randomStream, shuffled } from '../../src/lib/random.ts';
import type { Category } from '../../src/moderate/categories.ts';
import { BUCKETS, dampingOf } from '../../src/moderate/features.ts';
import type { LinearModel } from '../../src/moderate/model-file.ts';
import type { Row } from './rows.ts';

const EPOCHS = 15;
const COST = 0.5; // of an error against a small margin
// Rows of a rare category weigh as if this share of all rows had it, but at most so many times.
const POSITIVE_SHARE = 0.15;
const LARGEST_BOOST = 10;

export type Weights = { bias: number; readonly weights: Float64Array };

export function learn(rows: readonly Row[], category: Category): Weights {
  const known = rows.filter((row) => row.labels[category] !== undefined);
  const positives = known.filter((row) => row.labels[category] === 1).length;
  const boost = Math.min(
    LARGEST_BOOST,
    Math.max(1, (POSITIVE_SHARE * known.length) / Math.max(1, positives)),
  );
  const model: Weights = { bias: 0, weights: new Float64Array(BUCKETS) };
  const { weights } = model;
  const pressure = new Float64Array(known.length); // the dual variables
  const order = known.map((_, i) => i);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    for (const i of shuffled(order, randomStream(epoch, category))) {
      const { features, labels } = known[i]!;
      const side = labels[category] === 1 ? 1 : -1;
      const give = 1 / (2 * COST * (side === 1 ? boost : 1));
      const share = 1 / dampingOf(features);
      const size = features.length * share * share + 1; // the bias is one more feature
      const slope = side * rawScore(model, features) - 1 + give * pressure[i]!;
      const before = pressure[i]!;
      pressure[i] = Math.max(0, before - slope / (size + give));
      const move = (pressure[i]! - before) * side;
      if (move === 0) continue;
      model.bias += move;
      for (const feature of features) weights[feature]! += move * share;
    }
  }
  return model;
}

export function rawScore({ bias, weights }: Weights, features: Uint16Array): number {
  let sum = 0;
  for (const feature of features) sum += weights[feature]!;
  return bias + sum / dampingOf(features);
}

/** One byte per weight; `cut` becomes the score 0.5, and `steepness` says how fast it rises there. */
export function quantized({ bias, weights }: Weights, cut: number, steepness: number): LinearModel {
  let largest = 1e-9;
  for (const weight of weights) largest = Math.max(largest, Math.abs(weight));
  const scale = largest / 127;
  return {
    bias: steepness * (bias - cut),
    scale: steepness * scale,
    weights: Int8Array.from(weights, (weight) => Math.round(weight / scale)),
  };
}
