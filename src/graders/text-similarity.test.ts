// The oracle: rapidfuzz, sacrebleu, nltk and rouge-score, asked by test/fixtures/graders/make.py.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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
