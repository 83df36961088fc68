import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { openGguf } from './gguf.ts';
import { type GgufField, type GgufTensorSource, writeGguf } from './gguf-write.ts';

let path: string;
beforeEach(() => {
  path = join(mkdtempSync(join(tmpdir(), 'tunery-gguf-')), 'model.gguf');
});

const fields = new Map<string, GgufField>([
  ['general.architecture', { type: 'string', value: 'llama' }],
  ['a.count', { type: 'u32', value: 4_000_000_000 }],
  ['a.wide', { type: 'u64', value: 2n ** 60n }],
  ['a.delta', { type: 'i32', value: -5 }],
  ['a.rate', { type: 'f32', value: 0.5 }],
  ['a.yes', { type: 'bool', value: true }],
  ['a.words', { type: 'string[]', value: ['', 'Ġa', '日本'] }],
  ['a.scores', { type: 'f32[]', value: [-1.5, 0] }],
  ['a.types', { type: 'i32[]', value: [3, -1] }],
]);
const tensor = (name: string, shape: number[], values: number[]): GgufTensorSource => ({
  name,
  shape,
  type: 'F32',
  bytes: async () => new Uint8Array(Float32Array.from(values).buffer),
});
const tensors = [tensor('m', [2, 3], [1, 2, 3, 4, 5, 6]), tensor('v', [2], [7, 8])];

test('metadata and tensors come back as they were written', async () => {
  await writeGguf(path, fields, tensors);
  const file = await openGguf(path);
  expect(Object.fromEntries(file.metadata)).toEqual(
    Object.fromEntries([...fields].map(([key, { value }]) => [key, value])),
  );
  expect(file.tensors.get('m')).toMatchObject({ shape: [2, 3], type: 'F32', bytes: 24 });
  expect([...new Float32Array((await file.bytes('m')).buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
  expect([...new Float32Array((await file.bytes('v')).buffer)]).toEqual([7, 8]);
  await file.close();
});

test('a tensor that lies past 4 GB is read from there', async () => {
  await writeGguf(path, fields, [tensor('far', [2], [7, 8])]);
  const header = readFileSync(path);
  const small = await openGguf(path);
  const start = small.tensors.get('far')!.offset;
  await small.close();
  const far = 5_000_000_000 - (5_000_000_000 % 32);
  // Last field of the directory's only entry; the padding before the data is less than 32 bytes.
  const name = header.indexOf('far', 0, 'utf8');
  header.writeBigUInt64LE(BigInt(far), name + 3 + 4 + 8 + 4);
  const handle = await open(path, 'w');
  await handle.write(header, 0, start, 0);
  await handle.write(new Uint8Array(Float32Array.of(9, 10).buffer), 0, 8, start + far);
  await handle.close();
  const file = await openGguf(path);
  expect([...new Float32Array((await file.bytes('far')).buffer)]).toEqual([9, 10]);
  await file.close();
});

test('a file that is not GGUF is named as such', async () => {
  writeFileSync(path, 'PK\u0003\u0004 something else');
  await expect(openGguf(path)).rejects.toThrow(`${path} is not a GGUF file`);
  writeFileSync(path, '');
  await expect(openGguf(path)).rejects.toThrow(`${path} is not a GGUF file`);
});

test('every truncation of a file is noticed', async () => {
  await writeGguf(path, fields, tensors);
  const whole = readFileSync(path);
  const lastByte = whole.length - 24; // the last tensor's padding may be missing
  for (let length = 4; length < lastByte; length += 1) {
    writeFileSync(path, whole.subarray(0, length));
    await expect(openGguf(path), `${length} bytes`).rejects.toThrow(
      /is truncated.* Get the file again\.$/,
    );
  }
});

test('an unknown version is refused with the versions that work', async () => {
  await writeGguf(path, fields, tensors);
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(1, 4);
  writeFileSync(path, bytes);
  await expect(openGguf(path)).rejects.toThrow('version 1; supported are versions 2 and 3');
});

test.each([
  [20, 'IQ4_NL'],
  [99, 'number 99'],
])('tensor type %d is refused by the name %s, with the name of the tensor', async (id, name) => {
  await writeGguf(path, fields, tensors);
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(id, bytes.indexOf('v', bytes.indexOf('a.types') + 30) + 1 + 4 + 8);
  writeFileSync(path, bytes);
  await expect(openGguf(path)).rejects.toThrow(`tensor 'v' has type ${name}; supported are F32`);
});

test('a write that fails leaves the old file and nothing else', async () => {
  writeFileSync(path, 'old');
  const broken = { ...tensors[0]!, bytes: () => Promise.reject(new Error('no more')) };
  await expect(writeGguf(path, fields, [tensors[1]!, broken])).rejects.toThrow('no more');
  expect(readFileSync(path, 'utf8')).toBe('old');
  expect(readdirSync(join(path, '..'))).toEqual(['model.gguf']);
});
