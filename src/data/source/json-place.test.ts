import { expect, test } from 'vitest';
import { placeOf } from './json-place.ts';

const LINE =
  '{"id": 7, "messages": [{"role":"us\\"er","content":"q"}, {"a]": [1, {}], "role": "x"}]}';

test.each([
  ['', '{"id"'],
  ['messages', '[{"role"'],
  ['messages[0].role', '"us'],
  ['messages[0].content', '"q"'],
  ['messages[1]', '{"a]"'],
  ['messages[1].role', '"x"'],
  ['messages[1].content', '{"a]"'],
  ['messages[5].role', '[{"role"'],
  ['tools', '{"id"'],
])('%s stands where %s begins', (path, begins) => {
  expect(LINE.slice(placeOf(LINE, path)).startsWith(begins)).toBe(true);
});
