// Ids as OpenAI's cookbook prints them ("How to count tokens with tiktoken").
import { expect, test } from 'vitest';
import { cl100k } from './cl100k.ts';

test.each([
  ['tiktoken is great!', [83, 1609, 5963, 374, 2294, 0]],
  ['antidisestablishmentarianism', [519, 85342, 34500, 479, 8997, 2191]],
  ['2 + 2 = 4', [17, 489, 220, 17, 284, 220, 19]],
  ['お誕生日おめでとう', [33334, 45918, 243, 21990, 9080, 33334, 62004, 16556, 78699]],
])('%s has the published ids', (text, ids) => {
  const { encode, count, decode } = cl100k();
  expect(encode(text)).toEqual(ids);
  expect(count(text)).toBe(ids.length);
  expect(decode(ids)).toBe(text);
});

test('what looks like a control token is text', () => {
  expect(cl100k().count('<|endoftext|>')).toBe(7);
});
