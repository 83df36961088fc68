// Served adapters against PEFT's own numbers, on the tiny model that ships with the repo.
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readPeftAdapter, writeGgufAdapter } from '../weights/adapter.ts';
import { openModel } from '../weights/model-file.ts';
import { openSafetensors } from '../weights/safetensors.ts';
import { Hosts } from './client.ts';

const MODEL = 'assets/models/stories260K.gguf';
const ORACLE =
  process.env['TUNERY_ORACLE'] ?? join(process.env['TUNERY_SHARED'] ?? '../shared', 'oracle');
const missing = !existsSync(join(ORACLE, '09_logits.safetensors'));

const hosts = new Hosts({ memoryBytes: 4e9, host: { contextLength: 128, parallel: 2 } });
afterAll(() => hosts.close());
const json = (name: string) => JSON.parse(readFileSync(join(ORACLE, name), 'utf8'));

describe.skipIf(missing)('served log-probabilities (need the oracle folder)', () => {
  test('the base model in 32-bit weights agrees with PyTorch', async () => {
    for (const { ids, token_logprobs: exact } of json('01_forward_stories260K.json').prompts) {
      if (ids.length > 128) continue;
      const scores = await hosts.score(MODEL, null, ids);
      expect(largest(scores.map((score, i) => score - exact[i]))).toBeLessThan(5e-4);
    }
  });

  test.each(['lora', 'rslora'])(
    'a %s adapter at strength 1, 0.5 and 0 agrees with PEFT',
    async (name) => {
      const path = await ggufAdapter(name);
      const { ids } = json('09_adapters.json');
      for (const scale of [1, 0.5, 0]) {
        const exact = await logSoftmax(`${name}.scale${scale === 0.5 ? '0.5' : `${scale}.0`}`, ids);
        for (const [row, tokens] of ids.entries()) {
          const scores = await hosts.score(MODEL, { path, scale }, tokens);
          expect(largest(scores.map((score, i) => score - exact[row]![i]!))).toBeLessThan(5e-4);
        }
      }
    },
  );

  test('requests for base, adapter and other strengths run side by side, more than contexts', async () => {
    const path = await ggufAdapter('lora');
    const tokens = json('09_adapters.json').ids[0];
    const scales = [0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1];
    const alone: number[][] = [];
    for (const scale of scales) alone.push(await hosts.score(MODEL, { path, scale }, tokens));
    const together = await Promise.all(
      [...scales, ...scales].map((scale) => hosts.score(MODEL, { path, scale }, tokens)),
    );
    for (const [i, scores] of together.entries()) {
      expect(largest(scores.map((x, t) => x - alone[i % scales.length]![t]!))).toBeLessThan(1e-4);
    }
  });

  test('a file replaced at the same path is served anew; a deleted one is an error', async () => {
    const tokens = json('09_adapters.json').ids[0];
    const [first, second] = [await ggufAdapter('lora'), await ggufAdapter('rslora')];
    const path = join(await mkdtemp(join(tmpdir(), 'tunery-test-')), 'adapter.gguf');
    const score = (file: string) => hosts.score(MODEL, { path: file, scale: 1 }, tokens);
    await copyFile(first, path);
    expect(await score(path)).toEqual(await score(first));
    await copyFile(second, path);
    expect(await score(path)).toEqual(await score(second));
    await rm(path);
    await expect(score(path)).rejects.toMatchObject({ code: 'adapter_missing', status: 500 });
  });
});

test('an adapter file that is none is an error, and the host lives on', async () => {
  const adapter = { path: 'package.json', scale: 1 };
  await expect(hosts.score(MODEL, adapter, [1, 2])).rejects.toMatchObject({
    code: 'adapter_unusable',
    message: expect.stringContaining('package.json'),
  });
  const [{ pid } = { pid: 0 }] = hosts.running();
  expect(await hosts.score(MODEL, null, [1, 2])).toHaveLength(1);
  expect(hosts.running()).toMatchObject([{ pid }]);
});

async function ggufAdapter(name: string): Promise<string> {
  const adapter = await readPeftAdapter(join(ORACLE, `09_adapter_${name}`));
  const model = await openModel(MODEL);
  const path = join(await mkdtemp(join(tmpdir(), 'tunery-test-')), 'adapter.gguf');
  await writeGgufAdapter(path, adapter, model.config);
  await model.close();
  return path;
}

async function logSoftmax(name: string, ids: number[][]): Promise<number[][]> {
  const file = await openSafetensors(join(ORACLE, '09_logits.safetensors'));
  const vocabulary = file.entries.get(name)!.shape[2]!;
  const logits = await file.tensor(name);
  await file.close();
  return ids.map((tokens, row) =>
    tokens.slice(1).map((id, t) => {
      const start = (row * tokens.length + t) * vocabulary;
      const place = logits.subarray(start, start + vocabulary);
      return place[id]! - Math.log(place.reduce((sum, x) => sum + Math.exp(x), 0));
    }),
  );
}

const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));
