import { expect, test } from 'vitest';
import { weightLimit } from './cpu.ts';

test('weights have seven bits where eight would overflow', () => {
  expect(weightLimit('x64', ' sse2 avx2 fma')).toBe(63);
  expect(weightLimit('x64', ' avx2 avx512f avx512_vnni')).toBe(127);
  expect(weightLimit('x64', '')).toBe(63);
  expect(weightLimit('arm64', '')).toBe(127);
});
