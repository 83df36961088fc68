// When and on what the loss of held-out rows is measured. All of it is a function of the step, so
// that a resumed run measures the same.
import type { Row } from '../data/row.ts';
import type { TrainableModel } from './model.ts';

export type Measured = {
  readonly loss: number;
  readonly accuracy: number;
  /** Share of rows whose answer is right in every token. */
  readonly rowAccuracy: number;
};

/** Mean over the target tokens of `rows`, exact (32-bit floats); null where there are none. */
export async function measure(
  model: TrainableModel,
  rows: readonly Row[],
): Promise<Measured | null> {
  const sums = await model.evaluate(rows);
  if (sums.targets === 0) return null;
  return {
    loss: sums.loss / sums.weight,
    accuracy: sums.correct / sums.targets,
    rowAccuracy: sums.correctRows / sums.rows,
  };
}

const LEAST_INTERVAL = 10; // a forward in f32 costs up to half a step, so this stays below 5 %
const MEASUREMENTS = 50;
const LEAST_ROWS = 8; // fewer would show more noise than progress

/** A small batch is measured 50 times in a run, at most every 10 steps, and at the end of an epoch,
 *  where the whole file is measured as well. */
export function validatesAt(step: number, totalSteps: number, stepsPerEpoch: number): boolean {
  const interval = Math.max(LEAST_INTERVAL, Math.ceil(totalSteps / MEASUREMENTS));
  return step % interval === 0 || step % stepsPerEpoch === 0;
}

/** As many rows as a training batch, at least 8; consecutive measurements walk through the file. */
export function smallBatch(rows: readonly Row[], step: number, batchSize: number): Row[] {
  const size = Math.min(rows.length, Math.max(batchSize, LEAST_ROWS));
  const start = (step * size) % rows.length;
  return Array.from({ length: size }, (_, i) => rows[(start + i) % rows.length]!);
}
