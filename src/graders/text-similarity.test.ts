// The oracle: rapidfuzz, sacrebleu, nltk and rouge-score, asked by test/fixtures/graders/make.py.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commonLength, commonLengths, patternOf } from './metrics/lcs.ts';
import { stem } from './metrics/stem.ts';
import { METRIC_NAMES, type MetricName, similarity } from './text-similarity.ts';

type Case = { input: string; reference: string } & Record<MetricName, number>;
const { cases, stems } = JSON.parse(
  readFileSync('test/fixtures/graders/similarity.json', 'utf8'),
) as { cases: Case[]; stems: Record<string, string> };

test.each(METRIC_NAMES.filter((metric) => metric !== 'cosine'))(
  '%s agrees with the reference library on every pair',
  (metric) => {
    expect(cases.length).toBeGreaterThan(30);
    const wrong = cases.flatMap(({ input, reference, [metric]: wanted }) => {
      const got = similarity(metric, input, reference);
      return Math.abs(got - wanted) < 1e-9 ? [] : [{ input, reference, got, wanted }];
    });
    expect(wrong).toEqual([]);
  },
);

test('stems agree with nltk', () => {
  const words = Object.keys(stems);
  expect(Object.fromEntries(words.map((word) => [word, stem(word)]))).toEqual(stems);
});

test.each([
  ['the cat', 'the cat', 1],
  ['The cat!', 'the, cat', 1],
  ['a a b', 'a b b', 4 / 5],
  ['one', 'two', 0],
  ['', '', 0],
])('cosine of word counts: %j and %j', (input, reference, wanted) => {
  expect(similarity('cosine', input, reference)).toBeCloseTo(wanted, 12);
});

test.each(METRIC_NAMES)('%s compares Chinese by characters', (metric) => {
  const same = similarity(metric, '北京是中国的首都。', '北京是中国的首都。');
  const near = similarity(metric, '北京是中国的首都。', '上海是中国的城市。');
  expect(same).toBeGreaterThan(0.98); // METEOR charges even one chunk
  expect(near).toBeLessThan(same);
  expect(near).toBeGreaterThan(metric === 'rouge_5' ? -1 : 0);
});

test.each(METRIC_NAMES)('%s is a number from 0 to 1 for texts at the limit', (metric) => {
  const long = 'red green blue '.repeat(3000);
  const score = similarity(metric, long, long.slice(0, 44_000).toUpperCase());
  expect(score).toBeGreaterThanOrEqual(0);
  expect(score).toBeLessThanOrEqual(1);
  expect(() => similarity(metric, 'x'.repeat(50_001), 'x')).toThrow(/50000 characters/);
});

/** The textbook's table. */
function slowCommonLength(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const x of a) {
    const next = [0];
    for (const [j, y] of b.entries())
      next.push(x === y ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!));
    row = next;
  }
  return row[b.length]!;
}

test('the common length by bits equals that of the table, whatever the lengths', () => {
  const items = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 140 });
  const property = fc.property(items, items, (a, b) => {
    const wanted = slowCommonLength(a, b);
    expect(commonLength(patternOf(a), b)).toBe(wanted);
    expect(commonLengths(patternOf(a), b).at(-1) ?? 0).toBe(wanted);
  });
  fc.assert(property, { seed: 4, numRuns: 100 });
});

test('every metric of any two texts is a number from 0 to 1', () => {
  const text = fc.string({ unit: 'binary', maxLength: 60 });
  const property = fc.property(text, text, (input, reference) => {
    for (const metric of METRIC_NAMES) {
      const score = similarity(metric, input, reference);
      expect(score, metric).toBeGreaterThanOrEqual(0);
      expect(score, metric).toBeLessThanOrEqual(1 + 1e-12);
    }
  });
  fc.assert(property, { seed: 4, numRuns: 200 });
});
