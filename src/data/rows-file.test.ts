import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { epochOrder } from './order.ts';
import { readRows, writeRows } from './rows-file.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunery-rows-'));
});
afterAll(() => rm(folder, { recursive: true }));

const ROWS = [[1, 2, 3], [7], []].map((ids) => ({
  ids: Int32Array.from(ids),
  weights: Float32Array.from(ids, (id) => id / 10),
}));

test('rows come back as they were written', async () => {
  const path = join(folder, 'rows.bin');
  const writer = await writeRows(path);
  for (const row of ROWS) await writer.write(row);
  expect(await readdir(folder)).not.toContain('rows.bin');
  await writer.finish();
  expect(await readRows(path)).toEqual(ROWS);
});

test('a file that was cut off is refused', async () => {
  const path = join(folder, 'half.bin');
  await writeFile(path, (await readFile(join(folder, 'rows.bin'))).subarray(0, 30));
  await expect(readRows(path)).rejects.toThrow('not a complete file');
});

test('what is discarded leaves nothing', async () => {
  const writer = await writeRows(join(folder, 'gone.bin'));
  await writer.discard();
  expect((await readdir(folder)).filter((name) => name.startsWith('gone'))).toEqual([]);
});

test('the order of an epoch holds every row once and depends on seed and epoch alone', () => {
  const order = epochOrder(50, 1, 0);
  expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  expect(epochOrder(50, 1, 0)).toEqual(order);
  expect(epochOrder(50, 1, 1)).not.toEqual(order);
  expect(epochOrder(50, 2, 0)).not.toEqual(order);
});
