import { expect, test } from 'vitest';
import { randomStream } from '../lib/random.ts';
import { auprc, auroc, classificationColumns, type Scored } from './classification.ts';

const row = (positive: boolean, score: number): Scored => ({ positive, score });
const binary = (rows: readonly Scored[], betas: readonly number[] = []) =>
  classificationColumns(
    {
      labels: [' no', ' yes'],
      rows: rows.map(({ positive, score }) => ({
        actual: Number(positive),
        probabilities: [1 - score, score],
      })),
    },
    { positive_class: ' yes', betas },
  );

// What the definitions give on paper.
const EXAMPLE = [row(true, 0.9), row(false, 0.8), row(true, 0.7), row(true, 0.4), row(false, 0.2)];

test('two classes: the figures of a small example', () => {
  expect(binary(EXAMPLE, [1, 0.5, 2])).toEqual({
    'classification/accuracy': 3 / 5,
    'classification/precision': 2 / 3,
    'classification/recall': 2 / 3,
    'classification/auroc': 4 / 6,
    'classification/auprc': expect.closeTo((1 + 2 / 3 + 3 / 4) / 3, 12),
    'classification/f1.0': expect.closeTo(2 / 3, 12),
    'classification/f0.5': expect.closeTo(2 / 3, 12),
    'classification/f2.0': expect.closeTo(2 / 3, 12),
  });
});

test('beta moves the f-score towards recall', () => {
  // One claim, right; two positives: precision 1, recall 1/2.
  const rows = [row(true, 0.9), row(true, 0.1), row(false, 0.3)];
  const figures = binary(rows, [0.5, 2]);
  expect(figures['classification/f0.5']).toBeCloseTo((1.25 * 0.5) / (0.25 + 0.5), 12);
  expect(figures['classification/f2.0']).toBeCloseTo((5 * 0.5) / (4 + 0.5), 12);
});

test('a probability of exactly one half is no claim', () => {
  expect(binary([row(true, 0.5), row(false, 0.5)])).toMatchObject({
    'classification/accuracy': 0.5,
    'classification/recall': 0,
    'classification/precision': 0,
    'classification/auroc': 0.5,
  });
});

test('a figure that the rows do not define is left out, and nothing is NaN', () => {
  const figures = binary([row(false, 0.1), row(false, 0.2)]);
  expect(Object.keys(figures)).not.toContain('classification/auroc');
  expect(Object.keys(figures)).not.toContain('classification/auprc');
  for (const value of Object.values(figures)) expect(value).not.toBeNaN();
});

/** By definition: over all pairs of a positive and a negative row. */
function pairs(rows: readonly Scored[]): number {
  let [wins, all] = [0, 0];
  for (const a of rows.filter(({ positive }) => positive))
    for (const b of rows.filter(({ positive }) => !positive)) {
      all += 1;
      wins += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0;
    }
  return wins / all;
}

/** By definition: Σ (recall − recall before) · precision over all thresholds from the top. */
function averagePrecision(rows: readonly Scored[]): number {
  const positives = rows.filter(({ positive }) => positive).length;
  let [area, before] = [0, 0];
  for (const threshold of [...new Set(rows.map(({ score }) => score))].sort((a, b) => b - a)) {
    const claimed = rows.filter(({ score }) => score >= threshold);
    const hits = claimed.filter(({ positive }) => positive).length;
    area += (hits / positives - before) * (hits / claimed.length);
    before = hits / positives;
  }
  return area;
}

test('areas under curves equal their definitions on random rows with many ties', () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = randomStream(seed, 'scores');
    const rows = Array.from({ length: 40 }, () =>
      row(random() < 0.4, Math.round(random() * 8) / 8),
    );
    expect(auroc(rows)).toBeCloseTo(pairs(rows), 12);
    expect(auprc(rows)).toBeCloseTo(averagePrecision(rows), 12);
  }
});

test('several classes: accuracy, and F1 weighted by how often a class occurs', () => {
  const of = (actual: number, ...probabilities: number[]) => ({ actual, probabilities });
  const rows = [
    of(0, 0.8, 0.1, 0.1),
    of(0, 0.2, 0.7, 0.1),
    of(1, 0.1, 0.8, 0.1),
    of(1, 0.1, 0.6, 0.3),
    of(2, 0.5, 0.2, 0.3),
  ];
  const labels = [' a', ' b', ' c'];
  // F1: a 2·1/(2+2), b 2·2/(3+2), c 0.
  expect(classificationColumns({ labels, rows }, { positive_class: null, betas: [] })).toEqual({
    'classification/accuracy': 3 / 5,
    'classification/weighted_f1_score': expect.closeTo((2 * 0.5 + 2 * 0.8) / 5, 12),
  });
});
