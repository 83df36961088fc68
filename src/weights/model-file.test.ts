import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { tokenizerFromJson } from '../tokenizer/tokenizer.ts';
import { openModel } from './model-file.ts';
import { openSafetensors, writeSafetensors } from './safetensors.ts';
import { tokenizerJson } from './tokenizer-json.ts';

const bundled = fileURLToPath(new URL('../../assets/models/stories260K.gguf', import.meta.url));
// Real models and oracle numbers lie beside the repository: TUNERY_SHARED, or ../shared.
const shared =
  process.env['TUNERY_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));
const absent = !existsSync(join(shared, 'oracle'));
const smollm = join(shared, 'models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf');
const oracle = (name: string) => JSON.parse(readFileSync(join(shared, 'oracle', name), 'utf8'));

test.skipIf(absent)(
  'SmolLM2 from its GGUF file has the weights of the oracle (needs shared/)',
  async () => {
    const model = await openModel(smollm);
    expect(model).toMatchObject({
      kind: 'gguf',
      parameterCount: 134_515_008,
      bosToken: '<|im_start|>',
      eosToken: '<|im_end|>',
    });
    expect(model.config).toMatchObject({ layers: 30, heads: 9, kvHeads: 3, ropeTheta: 100_000 });
    type Sums = Record<string, { sum: number; abs_sum: number; first: number[] }>;
    const expected: Sums = oracle('01_forward_smollm2.json').dequantized;
    for (const [name, sums] of Object.entries(expected)) {
      const values = await model.tensor(name);
      let [sum, absolute] = [0, 0];
      for (const value of values) {
        sum += value;
        absolute += Math.abs(value);
      }
      expect(Math.abs(sum - sums.sum), name).toBeLessThan(1e-6 * sums.abs_sum);
      expect(Math.abs(absolute - sums.abs_sum), name).toBeLessThan(1e-6 * sums.abs_sum);
      expect([...values.subarray(0, 4)], name).toEqual(sums.first);
    }
    await model.close();
  },
);

test.skipIf(absent)(
  'a tokenizer.json rebuilt from SmolLM2 gives the ids of the oracle (needs shared/)',
  async () => {
    const model = await openModel(smollm);
    const rebuilt = tokenizerFromJson(JSON.parse(tokenizerJson(model.metadata)), {});
    const texts: { text: string; ids: number[] }[] = oracle('02_template_tokenizer.json').strings;
    expect(texts.length).toBeGreaterThan(20);
    for (const { text, ids } of texts)
      expect([...rebuilt.encode(text, { special: true })], text).toEqual(ids);
    await model.close();
  },
);

test.skipIf(absent)(
  'the bundled model holds the weights of its source, value for value (needs shared/)',
  async () => {
    const gguf = await openModel(bundled);
    const folder = await openModel(join(shared, 'models/stories260K'));
    expect(gguf.config).toEqual(folder.config);
    expect(gguf.tensorNames).toEqual(folder.tensorNames);
    for (const name of gguf.tensorNames)
      expect(
        Buffer.compare(bytes(await gguf.tensor(name)), bytes(await folder.tensor(name))),
        name,
      ).toBe(0);
    await gguf.close();
    await folder.close();
  },
);

const bytes = (values: Float32Array) => Buffer.from(values.buffer);

test('the bundled model opens and tokenizes', async () => {
  const model = await openModel(bundled);
  expect(model).toMatchObject({
    parameterCount: 260_032,
    bosToken: '<s>',
    eosToken: '</s>',
    chatTemplate: null,
  });
  const tokenizer = await model.tokenizer();
  expect([...tokenizer.encode('Once upon a time', { special: false })]).toEqual([
    403, 407, 261, 378,
  ]);
  expect(() => model.shape('model.layers.9.mlp.up_proj.weight')).toThrow('has no tensor');
  await model.close();
});

test('a missing path and a folder that is no model are told apart', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'tunery-model-'));
  await expect(openModel(join(empty, 'nowhere'))).rejects.toThrow('No model at');
  await expect(openModel(empty)).rejects.toThrow('holds no config.json');
  writeFileSync(join(empty, 'config.json'), '{');
  await expect(openModel(empty)).rejects.toThrow('config.json is not valid JSON');
});

test('safetensors in shards read as one model; a damaged shard is noticed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunery-shards-'));
  const model = await openModel(bundled);
  const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  const weightMap: Record<string, string> = {};
  for (const [i, file] of files.entries()) {
    const names = model.tensorNames.filter((_, n) => n % 2 === i);
    for (const name of names) weightMap[name] = file;
    await writeSafetensors(
      join(folder, file),
      names.map((name) => ({
        name,
        shape: model.shape(name),
        dtype: 'F32',
        bytes: async () => bytes(await model.tensor(name)),
      })),
    );
  }
  writeFileSync(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: weightMap }),
  );
  const { config } = model;
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      model_type: 'llama',
      vocab_size: config.vocabSize,
      hidden_size: config.hiddenSize,
      num_hidden_layers: config.layers,
      num_attention_heads: config.heads,
      num_key_value_heads: config.kvHeads,
      intermediate_size: config.intermediateSize,
      max_position_embeddings: config.contextLength,
      rms_norm_eps: config.rmsNormEps,
      tie_word_embeddings: true,
    }),
  );
  const sharded = await openModel(folder);
  expect(sharded.config).toEqual(config);
  const name = 'model.layers.3.mlp.down_proj.weight';
  expect(await sharded.tensor(name)).toEqual(await model.tensor(name));
  await expect(sharded.tokenizer()).rejects.toThrow('holds no tokenizer.json');
  await sharded.close();
  await model.close();
  const described = readFileSync(join(folder, 'config.json'), 'utf8');
  writeFileSync(join(folder, 'config.json'), described.replace(':172,', ':180,'));
  await expect(openModel(folder)).rejects.toThrow(
    "tensor 'model.layers.0.mlp.gate_proj.weight' has shape [172, 64], expected [180, 64]",
  );
  writeFileSync(join(folder, 'config.json'), described);
  const shard = join(folder, files[1]);
  writeFileSync(shard, readFileSync(shard).subarray(0, -100));
  await expect(openModel(folder)).rejects.toThrow('is truncated or damaged: tensor');
});

test('a tensor of integers is refused by name', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'tunery-int-')), 'x.safetensors');
  const header = Buffer.from('{"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, header, Buffer.alloc(8)]));
  await expect(openSafetensors(path)).rejects.toThrow(
    "tensor 'ids' has type I64; supported are F32, F16, BF16",
  );
});
