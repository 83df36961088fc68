// What the environment can say, and what it cannot.
import { expect, test } from 'vitest';
import { readConfig } from './config.ts';

const limit = (value: string) => readConfig({ TUNERY_FILE_LIMIT: value }, '127.0.0.1').fileLimit;

test('the largest file is a setting, in bytes or with a unit', () => {
  expect(limit('')).toBe(512 * 1024 * 1024);
  expect(limit('52428800')).toBe(52_428_800);
  expect(limit('50MB')).toBe(52_428_800);
  expect(limit('1 gb')).toBe(1024 ** 3);
});

test.each(['0', '-1', '50 M', 'a lot', '1e6', '999999999999GB'])(
  'a limit of %s is refused',
  (value) => {
    expect(() => limit(value)).toThrow(/TUNERY_FILE_LIMIT must be a number of bytes/);
  },
);
