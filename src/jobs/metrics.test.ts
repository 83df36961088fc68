import { expect, test } from 'vitest';
import { legacyCsv, metricsCsv, wireMetrics } from './metrics.ts';
import type { StepMetrics } from './protocol.ts';

const step = (number: number, more: Partial<StepMetrics> = {}): StepMetrics => ({
  step: number,
  trainLoss: 1 / 3,
  trainAccuracy: 0.5,
  validLoss: null,
  validAccuracy: null,
  fullValidLoss: null,
  fullValidAccuracy: null,
  ...more,
});
const legacy = (number: number) => ({
  elapsedTokens: 100 * number,
  elapsedExamples: 4 * number,
  trainSequenceAccuracy: 0.25,
  validSequenceAccuracy: null,
  classification: null,
});

test("a job's file has the columns of its time, empty where nothing was measured", () => {
  expect(metricsCsv([step(1), step(2, { validLoss: 2, validAccuracy: 0 })].map(wireMetrics))).toBe(
    'step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy\n' +
      '1,0.33333,0.5,,,,\n2,0.33333,0.5,2,0,,\n',
  );
});

test('a legacy file has columns for validation and classes only where they are measured', () => {
  const plain = [step(1, { legacy: legacy(1) })].map(wireMetrics);
  expect(legacyCsv(plain)).toBe(
    'step,elapsed_tokens,elapsed_examples,training_loss,training_sequence_accuracy,training_token_accuracy\n' +
      '1,100,4,0.33333,0.25,0.5\n',
  );
  const classification = {
    'classification/f0.5': 0.1,
    'classification/recall': 0.2,
    'classification/precision': 0.3,
    'classification/accuracy': 0.4,
  };
  const valid = { validLoss: 3, validAccuracy: 0.6, fullValidLoss: 2, fullValidAccuracy: 0.7 };
  const measured = { ...legacy(2), validSequenceAccuracy: 0.9, classification };
  const [header, first, second] = legacyCsv(
    [step(1, { legacy: legacy(1) }), step(2, { ...valid, legacy: measured })].map(wireMetrics),
  ).split('\n');
  // The areas are undefined when all rows are of one class; their columns stay for who reads by name.
  expect(header!.split(',').slice(6)).toEqual([
    ...['validation_loss', 'validation_sequence_accuracy', 'validation_token_accuracy'],
    ...['accuracy', 'precision', 'recall', 'auroc', 'auprc', 'f0.5'].map(
      (name) => `classification/${name}`,
    ),
  ]);
  expect(first).toBe('1,100,4,0.33333,0.25,0.5,,,,,,,,,');
  // The whole file counts more than a small batch of it.
  expect(second).toBe('2,200,8,0.33333,0.25,0.5,2,0.9,0.7,0.4,0.3,0.2,,,0.1');
});
