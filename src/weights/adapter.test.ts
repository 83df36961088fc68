import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import {
  adapterScale,
  readGgufAdapter,
  readPeftAdapter,
  writeGgufAdapter,
  writePeftAdapter,
} from './adapter.ts';
import { openGguf } from './gguf.ts';
import { openModel } from './model-file.ts';

// Written by PEFT 0.21.2.
const fixture = (name: string) =>
  fileURLToPath(new URL(`../../test/fixtures/peft/${name}`, import.meta.url));
const base = fileURLToPath(new URL('../../assets/models/stories260K.gguf', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-adapter-'));
});
async function baseConfig() {
  const model = await openModel(base);
  await model.close();
  return model.config;
}

test.each([
  ['lora', 4, 8, false, 2, 70],
  ['rslora', 8, 8, true, 8 / Math.sqrt(8), 20],
] as const)(
  'the %s adapter of PEFT is read with rank, alpha and scale',
  async (name, rank, alpha, rankStabilized, scale, size) => {
    const adapter = await readPeftAdapter(fixture(name));
    expect(adapter).toMatchObject({ rank, alpha, rankStabilized, baseModel: 'stories260K' });
    expect(adapterScale(adapter)).toBe(scale);
    expect(adapter.tensors.size).toBe(size);
  },
);

test.each(['lora', 'rslora'])('%s survives the way to a PEFT folder and back', async (name) => {
  const { baseModel, ...adapter } = await readPeftAdapter(fixture(name));
  await writePeftAdapter(join(folder, 'out'), adapter, baseModel ?? '');
  expect(await readPeftAdapter(join(folder, 'out'))).toEqual({ baseModel, ...adapter });
});

test.each(['lora', 'rslora'])('%s survives the way to a GGUF adapter and back', async (name) => {
  const { baseModel: _, ...adapter } = await readPeftAdapter(fixture(name));
  const config = await baseConfig();
  const path = join(folder, 'adapter.gguf');
  await writeGgufAdapter(path, adapter, config);
  expect(await readGgufAdapter(path, config.headDim)).toEqual(adapter);
});

test("rank stabilization is folded into the GGUF adapter's alpha", async () => {
  const adapter = await readPeftAdapter(fixture('rslora'));
  const path = join(folder, 'adapter.gguf');
  await writeGgufAdapter(path, adapter, await baseConfig());
  const file = await openGguf(path);
  // llama.cpp divides by the rank of 8 and must get 8/√8.
  expect(file.metadata.get('adapter.lora.alpha')).toBeCloseTo(8 * Math.sqrt(8), 5);
  await file.close();
});

test('DoRA is refused by name', async () => {
  await expect(readPeftAdapter(fixture('dora'))).rejects.toThrow('use_dora true is not supported');
});

test.each([
  [{ bias: 'all' }, 'bias "all"'],
  [{ modules_to_save: ['lm_head'] }, 'modules_to_save ["lm_head"]'],
  [{ alpha_pattern: { q_proj: 4 } }, 'alpha_pattern {"q_proj":4}'],
  [{ init_lora_weights: 'pissa' }, 'init_lora_weights "pissa"'],
  [{ task_type: 'SEQ_CLS' }, 'task_type "SEQ_CLS"'],
  [{ use_something_new: true }, 'use_something_new true'],
  [{ peft_type: 'IA3' }, 'peft_type IA3'],
])('%o in adapter_config.json is refused by name', async (change, message) => {
  cpSync(fixture('lora'), folder, { recursive: true });
  const path = join(folder, 'adapter_config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...config, ...change }));
  await expect(readPeftAdapter(folder)).rejects.toThrow(`${message} is not supported`);
});

test('an adapter of another model is refused with the matrix that does not fit', async () => {
  const adapter = await readPeftAdapter(fixture('lora'));
  const config = { ...(await baseConfig()), intermediateSize: 100 };
  await expect(writeGgufAdapter(join(folder, 'a.gguf'), adapter, config)).rejects.toThrow(
    "lora_A of 'model.layers.0.mlp.down_proj' has shape [4, 172], the base model needs [4, 100]",
  );
});
