// Every `auto` of a job, turned into a number: one documented function per knob.
import { cpuFlags } from '../../runtime/cpu.ts';
import type { Hyperparameters } from '../protocol.ts';

export type ResolvedHyperparameters = {
  n_epochs: number;
  batch_size: number;
  learning_rate_multiplier: number;
};

/** The rules of OpenAI's service (contract 4.2), except the multiplier: our base rate is per model. */
export function resolveHyperparameters(
  wanted: Hyperparameters,
  rows: number,
): ResolvedHyperparameters {
  const orAuto = (value: number | 'auto', auto: number) => (value === 'auto' ? auto : value);
  return {
    n_epochs: orAuto(wanted.n_epochs, autoEpochs(rows)),
    batch_size: orAuto(wanted.batch_size, Math.max(1, Math.min(256, Math.floor(0.002 * rows)))),
    learning_rate_multiplier: orAuto(wanted.learning_rate_multiplier, 1),
  };
}

/** The older service's rules. Its multipliers are around a tenth, because they multiplied the rate of
 *  pre-training; `LEGACY_RATE` makes its smallest default the rate that a job of today has. */
export function resolveLegacyHyperparameters(
  wanted: Hyperparameters,
  rows: number,
): ResolvedHyperparameters {
  const n_epochs = wanted.n_epochs === 'auto' ? 4 : wanted.n_epochs;
  const { batch_size } = resolveHyperparameters(wanted, rows);
  const multiplier = wanted.learning_rate_multiplier;
  const auto = batch_size <= 16 ? 0.05 : batch_size <= 64 ? 0.1 : 0.2;
  return {
    n_epochs,
    batch_size,
    learning_rate_multiplier: multiplier === 'auto' ? auto : multiplier,
  };
}
export const LEGACY_RATE = 20;

/** Three, but at least 100 and at most 25,000 examples in all where the limits of 25 and 1 allow. */
function autoEpochs(rows: number): number {
  if (rows * 3 < 100) return Math.min(25, Math.floor(100 / rows));
  if (rows * 3 > 25_000) return Math.max(1, Math.floor(25_000 / rows));
  return 3;
}

/** Peak rate of AdamW on LoRA matrices: 2e-4 is the field's usual value for models from a billion
 *  weights (QLoRA, arXiv:2305.14314, table 9). Smaller models take and need more, by the square root
 *  of the size: stories260K (0.26 million weights) ended with a validation loss of 5.19 at 3e-4, 4.56 at
 *  1e-3 and 4.37 at 5e-3 on the identity rows (batch 4), and no better at 1e-2, hence the cap. */
export function baseLearningRate(parameters: number): number {
  const factor = Math.sqrt(Math.max(1, 1e9 / parameters));
  return Math.min(5e-3, Number((2e-4 * factor).toPrecision(2)));
}

/** int8 where it is known to be faster: x86 with AVX2 on a system that tells, and layers large enough to
 *  repay quantising; else the exact form, which is the safe one. */
export function autoPrecision(
  hiddenSize: number,
  flags: ReadonlySet<string> = new Set(cpuFlags().trim().split(/\s+/)),
): 'int8' | 'f32' {
  return hiddenSize >= SMALLEST_INT8_LAYER && flags.has('avx2') ? 'int8' : 'f32';
}
const SMALLEST_INT8_LAYER = 256;
