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
  for (const [name, value] of Object.entries({ ...named, ...legacyMetrics(metrics) })) {
    if (value !== null) known[name] = Math.round(value * DECIMALS) / DECIMALS;
  }
  return known;
}

/** Under the names of the legacy result file. */
const legacyMetrics = ({ legacy }: StepMetrics) =>
  legacy && {
    elapsed_tokens: legacy.elapsedTokens,
    elapsed_examples: legacy.elapsedExamples,
    training_sequence_accuracy: legacy.trainSequenceAccuracy,
    validation_sequence_accuracy: legacy.validSequenceAccuracy,
    ...legacy.classification,
  };

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
export const metricsCsv = (steps: readonly WireMetrics[]): string =>
  csv(
    Object.keys(COLUMNS),
    steps.map((metrics) => Object.values(COLUMNS).map((name) => metrics[name])),
  );

/** The f-scores come behind these. */
const CLASS_COLUMNS = [
  'accuracy',
  'weighted_f1_score',
  'precision',
  'recall',
  'auroc',
  'auprc',
].map((name) => `classification/${name}`);

/** The columns of a legacy fine-tune; those of validation and of classes only where they are measured. */
export function legacyCsv(steps: readonly WireMetrics[]): string {
  const measured = new Set(steps.flatMap((metrics) => Object.keys(metrics)));
  // Of two classes, also where a validation file of one class leaves the areas undefined.
  if (measured.has('classification/precision'))
    for (const name of ['auroc', 'auprc']) measured.add(`classification/${name}`);
  const classes = [...measured].filter((name) => name.startsWith('classification/'));
  const place = (name: string) => CLASS_COLUMNS.indexOf(name) + 1 || Infinity;
  classes.sort((a, b) => place(a) - place(b) || a.localeCompare(b));
  const validation = measured.has('validation_sequence_accuracy');
  const rows = steps.map((metrics) => ({
    step: metrics['step'],
    elapsed_tokens: metrics['elapsed_tokens'],
    elapsed_examples: metrics['elapsed_examples'],
    training_loss: metrics['train_loss'],
    training_sequence_accuracy: metrics['training_sequence_accuracy'],
    training_token_accuracy: metrics['train_mean_token_accuracy'],
    // The whole file at the end of an epoch, a small batch in between.
    ...(validation && {
      validation_loss: metrics['full_valid_loss'] ?? metrics['valid_loss'],
      validation_sequence_accuracy: metrics['validation_sequence_accuracy'],
      validation_token_accuracy:
        metrics['full_valid_mean_token_accuracy'] ?? metrics['valid_mean_token_accuracy'],
    }),
    ...Object.fromEntries(classes.map((name) => [name, metrics[name]])),
  }));
  return csv(Object.keys(rows[0] ?? {}), rows.map(Object.values));
}

const csv = (header: readonly string[], rows: readonly (readonly (number | undefined)[])[]) =>
  [header, ...rows.map((cells) => cells.map((cell) => cell ?? ''))]
    .map((cells) => `${cells.join(',')}\n`)
    .join('');
