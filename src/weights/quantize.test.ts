import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { TensorType } from './gguf.ts';
import { dequantize } from './quantize.ts';

// Made by test/fixtures/gguf/make-blocks.py with the Python package `gguf`.
const fixtures: Record<TensorType, { blocks: string; expected: string }> = JSON.parse(
  readFileSync(new URL('../../test/fixtures/gguf/blocks.json', import.meta.url), 'utf8'),
);

test.each(Object.keys(fixtures) as TensorType[])(
  '%s blocks decode to what the gguf package says, bit for bit',
  (type) => {
    const { blocks, expected } = fixtures[type];
    const got = dequantize(type, Buffer.from(blocks, 'base64'));
    const want = new Float32Array(new Uint8Array(Buffer.from(expected, 'base64')).buffer);
    expect([...got]).toEqual([...want]);
    expect(got.length).toBeGreaterThan(60);
  },
);

test('half a block is refused', () => {
  expect(() => dequantize('Q8_0', new Uint8Array(33))).toThrow('not whole blocks of Q8_0');
});
