import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../testing/temporary-store.ts';
import { baseModels, type Convert } from './base-models.ts';

async function folderWith(paths: readonly string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const path of paths) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), 'GGUF and no more');
  }
  return folder;
}

const convert: Convert = (_source, output) => writeFile(output, 'GGUF from a folder');
let clock = 0;
const now = () => (clock += 10_000); // every look is a fresh one

test('a file is listed by its name without the quantisation, and found by all its names', async () => {
  const folder = await folderWith([
    'a/b/SmolLM2-135M-Instruct.Q4_1.gguf',
    'a/b/c/deep.gguf',
    'x.txt',
  ]);
  const bases = baseModels(join(folder, 'own'), [folder], convert, now);
  expect((await bases.list()).map(({ id }) => id)).toEqual(['smollm2-135m-instruct']);
  for (const name of [
    'SmolLM2-135M-Instruct',
    'smollm2-135m-instruct.q4_1',
    'SmolLM2-135M-Instruct.Q4_1.gguf',
  ]) {
    expect((await bases.find(name))?.id).toBe('smollm2-135m-instruct');
  }
  expect(await bases.find('deep')).toBe(null);
});

test('two quantisations of one model keep their full names, and the short one is ambiguous', async () => {
  const folder = await folderWith(['Tiny.Q4_1.gguf', 'Tiny.Q8_0.gguf']);
  const bases = baseModels(join(folder, 'own'), [folder], convert, now);
  expect((await bases.list()).map(({ id }) => id)).toEqual(['tiny.q4_1', 'tiny.q8_0']);
  expect((await bases.find('tiny.q8_0'))?.file).toBe('Tiny.Q8_0.gguf');
  await expect(bases.find('tiny')).rejects.toMatchObject({
    code: 'model_ambiguous',
    message: expect.stringContaining('tiny.q4_1, tiny.q8_0'),
  });
});

test('a Hugging Face folder keeps its name and is converted once', async () => {
  const folder = await folderWith(['stories260K/config.json', 'stories260K/model.safetensors']);
  const own = join(await temporaryFolder(), 'data', 'models');
  let conversions = 0;
  const counted: Convert = async (source, output) => {
    conversions += 1;
    await convert(source, output);
  };
  const bases = baseModels(own, [folder], counted, now);
  expect(await bases.list()).toMatchObject([{ id: 'stories260K', kind: 'folder', own: false }]);
  const paths = await Promise.all([bases.gguf('stories260K'), bases.gguf('stories260K')]);
  expect(paths).toEqual([join(own, 'stories260K.gguf'), join(own, 'stories260K.gguf')]);
  expect(await bases.gguf('stories260K')).toBe(paths[0]);
  expect(conversions).toBe(1);
  expect(await bases.list()).toMatchObject([{ id: 'stories260K', kind: 'gguf', own: true }]);
  await bases.remove((await bases.list())[0]!);
  expect(await readdir(own)).toEqual([]);
  expect(await bases.gguf('gone')).toBe(null);
});
