// What was measured at a step, under the names that events, checkpoints and the result file share.
import type { StepMetrics } from './protocol.ts';

export type WireMetrics = Readonly<Record<string, number>>;

const DECIMALS = 1e5; // the result file's precision; events carry the same number

/** Only what was measured. */
export function wireMetrics(metrics: StepMetrics): WireMetrics {
  const named = {
    step: metrics.step,
    train_loss: metrics.trainLoss,
    train_mean_token_accuracy: metrics.trainAccuracy,
    valid_loss: metrics.validLoss,
    valid_mean_token_accuracy: metrics.validAccuracy,
    full_valid_loss: metrics.fullValidLoss,
    full_valid_mean_token_accuracy: metrics.fullValidAccuracy,
  };
  const known: Record<string, number> = {};
  for (const [name, value] of Object.entries(named)) {
    if (value !== null) known[name] = Math.round(value * DECIMALS) / DECIMALS;
  }
  return known;
}

const COLUMNS = {
  step: 'step',
  train_loss: 'train_loss',
  train_accuracy: 'train_mean_token_accuracy',
  valid_loss: 'valid_loss',
  valid_mean_token_accuracy: 'valid_mean_token_accuracy',
  full_valid_loss: 'full_valid_loss',
  full_valid_mean_token_accuracy: 'full_valid_mean_token_accuracy',
};

/** The result file: one row per step, empty where nothing was measured. */
export function metricsCsv(steps: readonly WireMetrics[]): string {
  const rows = steps.map((metrics) => Object.values(COLUMNS).map((name) => metrics[name] ?? ''));
  return [Object.keys(COLUMNS), ...rows].map((cells) => `${cells.join(',')}\n`).join('');
}
