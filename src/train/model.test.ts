import { expect, test } from 'vitest';
import type { Row } from '../data/row.ts';
import { randomStream } from '../lib/random.ts';
import type { ModelConfig } from '../weights/config.ts';
import { noSums, type Sums } from './loss.ts';
import { loadTrainableModel, type TrainableModelOptions } from './model.ts';

const config: ModelConfig = {
  architecture: 'llama',
  vocabSize: 40,
  hiddenSize: 16,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  intermediateSize: 24,
  ropeTheta: 10_000,
  ropeScaling: null,
  rmsNormEps: 1e-5,
  contextLength: 16, // rows of one batch may well have more tokens together
  tiedEmbeddings: false,
};
const SIZES: Record<string, number> = {
  'model.embed_tokens': 40 * 16,
  lm_head: 40 * 16,
  q_proj: 256,
  k_proj: 128,
  v_proj: 128,
  o_proj: 256,
  gate_proj: 384,
  up_proj: 384,
  down_proj: 384,
};
const file = {
  config,
  tensor: async (name: string) => {
    const key = Object.keys(SIZES).find((part) => name.includes(part));
    const random = randomStream(7, name);
    if (key === undefined) return Float32Array.from({ length: 16 }, () => 0.5 + random());
    return Float32Array.from({ length: SIZES[key]! }, () => random() - 0.5);
  },
};
const ALL = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
const load = async (options: Partial<TrainableModelOptions> = {}) => {
  const model = await loadTrainableModel(file, {
    rank: 2,
    alpha: 4,
    targets: ALL,
    rankStabilized: false,
    precision: 'f32',
    threads: 1,
    seed: 1,
    ...options,
  });
  // With B = 0 the gradient of A would be 0 and prove nothing.
  const random = randomStream(2, 'B');
  for (const [name, data] of model.params)
    if (name.includes('lora_B')) for (const i of data.keys()) data[i] = random() - 0.5;
  return model;
};
const rows: Row[] = [13, 9, 9, 5, 2].map((length, n) => {
  const random = randomStream(n, 'row');
  return {
    ids: Int32Array.from({ length }, () => Math.floor(random() * 40)),
    weights: Float32Array.from({ length }, (_, t) => [0, 1, 0.25, 1][t % 4]!),
  };
});
const flat = (tensors: ReadonlyMap<string, Float32Array>) =>
  Float32Array.from([...tensors.values()].flatMap((data) => [...data]));

test.each([
  ['all layers', ALL],
  ['query and value', ['q_proj', 'v_proj']],
  ['feed-forward only', ['up_proj', 'down_proj']],
])('gradients equal finite differences of the loss: %s', async (_, targets) => {
  const model = await load({ targets });
  await model.accumulate(rows);
  for (const [name, data] of model.params) {
    for (const at of [0, data.length - 1]) {
      const before = data[at]!;
      const lossAt = async (step: number) => {
        data[at] = before + step;
        return (await model.evaluate(rows)).loss;
      };
      // Fourth order: 32-bit losses want wide steps, over which the loss is far from straight.
      const step = 1e-2;
      const near = (await lossAt(step)) - (await lossAt(-step));
      const far = (await lossAt(2 * step)) - (await lossAt(-2 * step));
      data[at] = before;
      const expected = (8 * near - far) / (12 * step);
      const error = Math.abs(model.grads.get(name)![at]! - expected);
      expect(error, `${name}[${at}]`).toBeLessThan(2e-3 + 0.01 * Math.abs(expected));
    }
  }
  await model.close();
});

test('rows together are rows apart', async () => {
  const model = await load();
  const apart = noSums();
  for (const row of rows) {
    const sums = await model.accumulate([row]);
    for (const [key, value] of Object.entries(sums)) apart[key as keyof Sums] += value;
  }
  const gradient = flat(model.grads);
  for (const maxTokens of [8, 20, 512]) {
    const together = await load({ maxTokens });
    const sums = await together.accumulate(rows);
    expect(sums.loss).toBeCloseTo(apart.loss, 4);
    expect({ ...sums, loss: 0 }).toEqual({ ...apart, loss: 0 });
    for (const [i, value] of flat(together.grads).entries())
      expect(value).toBeCloseTo(gradient[i]!, 4);
    await together.close();
  }
  await model.close();
});

test('the same rows give the same bits again', async () => {
  const results = [];
  for (let i = 0; i < 2; i++) {
    const model = await load({ threads: 2, precision: 'int8' });
    await model.accumulate(rows);
    model.zeroGrads();
    const { loss } = await model.accumulate(rows);
    results.push({ loss, gradient: flat(model.grads) });
    await model.close();
  }
  expect(results[0]).toEqual(results[1]);
});

test('eight bits train close to the exact gradient and evaluate exactly', async () => {
  const [exact, rough] = [await load(), await load({ precision: 'int8' })];
  const expected = await exact.accumulate(rows);
  const found = await rough.accumulate(rows);
  expect(found.loss).not.toBe(expected.loss);
  expect(Math.abs(found.loss / expected.loss - 1)).toBeLessThan(0.02);
  const [a, b] = [flat(exact.grads), flat(rough.grads)];
  const dot = (u: Float32Array, v: Float32Array) => u.reduce((sum, x, i) => sum + x * v[i]!, 0);
  expect(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toBeGreaterThan(0.99);
  expect(await rough.evaluate(rows)).toEqual(await exact.evaluate(rows));
  await exact.close();
  await rough.close();
});

test('log-probabilities add up to the loss of a row', async () => {
  const model = await load();
  const row = { ids: rows[0]!.ids, weights: new Float32Array(13).fill(1) };
  const logProbs = await model.logProbs(row);
  expect(logProbs).toHaveLength(12);
  const sums = await model.evaluate([row]);
  expect(sums.loss).toBeCloseTo(-logProbs.reduce((a, b) => a + b), 4);
  const logits = await model.nextLogits(row.ids.subarray(0, 5));
  const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
  expect(logits[row.ids[5]!]! - total).toBeCloseTo(logProbs[4]!, 5);
  await model.close();
});

test('rows without loss are not an error', async () => {
  const model = await load();
  const sums = await model.accumulate([
    { ids: Int32Array.of(1, 2, 3), weights: new Float32Array(3) },
    { ids: Int32Array.of(1), weights: Float32Array.of(1) },
  ]);
  expect(sums).toEqual(noSums());
  await model.close();
});

test('a fresh adapter changes nothing, is reproducible, and differs by seed', async () => {
  const options = { rank: 2, alpha: 4, targets: ['q_proj'], rankStabilized: false } as const;
  const rest = { precision: 'f32', threads: 1 } as const;
  const models = [];
  for (const seed of [1, 1, 2]) {
    models.push(await loadTrainableModel(file, { ...options, ...rest, seed }));
  }
  const name = 'base_model.model.model.layers.0.self_attn.q_proj.lora_';
  const [a, b, c] = models.map(({ params }) => params.get(`${name}A.weight`)!);
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
  expect(Math.max(...a!.map(Math.abs))).toBeLessThanOrEqual(0.25); // 1/√16
  expect(models[0]!.params.get(`${name}B.weight`)!.every((value) => value === 0)).toBe(true);
  expect(models[0]!.shapes.get(`${name}B.weight`)).toEqual([16, 2]);
  for (const model of models) await model.close();
});

test('an adapter that does not fit is refused by name', async () => {
  const tensors = new Map([['strange', { shape: [2, 16], data: new Float32Array(32) }]]);
  await expect(load({ start: { tensors } })).rejects.toThrow(
    'has no base_model.model.model.layers.0',
  );
  await expect(load({ targets: ['lm_head'] })).rejects.toThrow('lm_head');
});
