// The training loop. Validation, checkpoints and events belong to whoever consumes it.
import type { Row } from '../data/row.ts';
import type { Clock } from '../lib/clock.ts';
import { type AdamWOptions, type AdamWState, adamWUpdate } from '../optim/adamw.ts';
import { clipFactor, globalNorm } from '../optim/clip.ts';
import type { TrainableModel } from './model.ts';

export type TrainerOptions = AdamWOptions & {
  readonly maxGradNorm: number;
  /** Rate as a function of the number of updates already done. */
  readonly rate: (update: number) => number;
  readonly clock: Clock;
};

/** `loss`, `accuracy` and `gradNorm` are taken before the update, `gradNorm` also before clipping. */
export type StepRecord = {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  /** Share of rows whose answer is right in every token. */
  readonly rowAccuracy: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  readonly targets: number;
  /** Forward, backward and update. */
  readonly seconds: number;
};

/** One batch of rows per update; the first is that of update `optimizer.step`, where a resumed run
 *  goes on. Changes `model.params` and `optimizer` in place. */
export async function* train(
  model: TrainableModel,
  batches: Iterable<readonly Row[]>,
  optimizer: AdamWState,
  { maxGradNorm, rate, clock, ...adamW }: TrainerOptions,
): AsyncGenerator<StepRecord> {
  for (const batch of batches) {
    const started = clock.now();
    const learningRate = rate(optimizer.step);
    model.zeroGrads();
    const sums = await model.accumulate(batch);
    const { loss: sum, weight, correct, targets } = sums;
    // A batch of rows with nothing to learn from has loss 0 and gradient 0, not 0/0.
    const mean = 1 / (weight || 1);
    const loss = sum * mean;
    // Over the whole batch: a mean of means would favour the tokens of short rows.
    const gradNorm = globalNorm(model.grads.values(), mean);
    const step = optimizer.step + 1;
    if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
      throw new DivergedError(step, loss, gradNorm);
    const scale = clipFactor(gradNorm, maxGradNorm) * mean;
    adamWUpdate(model.params, model.grads, optimizer, learningRate, scale, adamW);
    const seconds = (clock.now() - started) / 1000;
    yield {
      step,
      loss,
      accuracy: correct / (targets || 1),
      rowAccuracy: sums.correctRows / (sums.rows || 1),
      gradNorm,
      learningRate,
      targets,
      seconds,
    };
  }
}

/** The loss or a gradient is no longer a number; the update was not made. */
export class DivergedError extends Error {
  readonly step: number;
  constructor(step: number, loss: number, gradNorm: number) {
    super(`step ${step}: loss ${loss}, gradient norm ${gradNorm}`);
    this.step = step;
  }
}
