import { expect, test } from 'vitest';
import { schedule, warmupUpdates } from './schedule.ts';

const rates = (rate: (update: number) => number, total: number) =>
  Array.from({ length: total }, (_, update) => rate(update));

test('warm-up rises from 0 and linear decay would reach 0 after the last update', () => {
  const rate = schedule({ name: 'linear', peak: 1, warmup: 2, total: 6 });
  expect(rates(rate, 7)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25, 0]);
});

test('the cosine passes half of the peak at half the way and ends at its minimum', () => {
  const rate = schedule({ name: 'cosine', peak: 2, warmup: 0, total: 10, min: 0.5 });
  expect(rate(0)).toBe(2);
  expect(rate(5)).toBeCloseTo(1.25, 12);
  expect(rate(10)).toBeCloseTo(0.5, 12);
});

test('a minimum rate without a cosine is refused', () => {
  const options = { peak: 1, warmup: 0, total: 4, min: 0.1 };
  expect(() => schedule({ name: 'linear', ...options })).toThrow('cosine');
});

test('however short the run, at least one update has a rate above 0', () => {
  for (const total of [1, 2, 10, 34])
    for (const ratio of [0, 0.03, 0.5, 1]) {
      const warmup = warmupUpdates(ratio, total);
      for (const name of ['linear', 'cosine', 'constant'] as const)
        expect(
          Math.max(...rates(schedule({ name, peak: 1, warmup, total }), total)),
        ).toBeGreaterThan(0);
    }
});
