import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tokenizerFromJson } from '../tokenizer/tokenizer.ts';
import { exportFolder } from './export-folder.ts';
import { importFolder } from './import-folder.ts';
import { openModel } from './model-file.ts';
import { writeSafetensors } from './safetensors.ts';
import { tokenizerJson } from './tokenizer-json.ts';

const bundled = fileURLToPath(new URL('../../assets/models/stories260K.gguf', import.meta.url));

test('BF16 matrices stay BF16 through an import, vectors become F32', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunery-bf16-'));
  const base = await openModel(bundled);
  await exportFolder(folder, base, base.tensor);
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    base.tensorNames.map((name) => ({
      name,
      shape: base.shape(name),
      dtype: 'BF16',
      bytes: async () => upperHalves(await base.tensor(name)),
    })),
  );
  const path = join(folder, 'model.gguf');
  await importFolder(folder, path);
  const source = await openModel(folder);
  const imported = await openModel(path);
  expect(imported.storedType('model.layers.0.self_attn.q_proj.weight')).toBe('BF16');
  expect(imported.storedType('model.norm.weight')).toBe('F32');
  expect(imported.config).toEqual(source.config);
  for (const name of source.tensorNames)
    expect(await imported.tensor(name), name).toEqual(await source.tensor(name));
  for (const model of [base, source, imported]) await model.close();
});

/** BF16 by truncation: the upper two bytes of each float. */
function upperHalves(values: Float32Array): Uint8Array {
  const halves = new Uint16Array(values.buffer);
  const upper = Uint16Array.from({ length: values.length }, (_, i) => halves[2 * i + 1]!);
  return new Uint8Array(upper.buffer);
}

test.each([
  'Hello, world!',
  '  two  spaces',
  'One day, Lily met a dog.',
  'é 日本 👍\n\t1234567890',
  '',
])(
  'a SentencePiece tokenizer.json rebuilt from scores gives the ids of the original: %j',
  async (text) => {
    const model = await openModel(bundled);
    const metadata = new Map(model.metadata);
    metadata.delete('tokenizer.huggingface.json');
    const rebuilt = tokenizerFromJson(JSON.parse(tokenizerJson(metadata)), {});
    const original = await model.tokenizer();
    expect(rebuilt.encode(text, { special: false })).toEqual(
      original.encode(text, { special: false }),
    );
    await model.close();
  },
);

test('a broken tokenizer.json, and a GGUF file, are not imported', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunery-import-'));
  const base = await openModel(bundled);
  await exportFolder(folder, base, base.tensor);
  writeFileSync(join(folder, 'tokenizer.json'), '{');
  await expect(importFolder(folder, join(folder, 'x.gguf'))).rejects.toThrow('not valid JSON');
  await expect(importFolder(bundled, join(folder, 'x.gguf'))).rejects.toThrow(
    'is a GGUF file already',
  );
  await base.close();
});
