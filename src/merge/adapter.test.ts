import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readPeftAdapter } from '../weights/adapter.ts';
import { openModel } from '../weights/model-file.ts';
import { addLowRank, mergedWeights } from './adapter.ts';

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
type Sums = { sum: number; abs_sum: number; first: number[] };
const expected: { adapters: Record<string, { merged_sums: Record<string, Sums> }> } = JSON.parse(
  readFileSync(file('test/fixtures/peft/expected.json'), 'utf8'),
);

test.each(['lora', 'rslora'])(
  "%s merges into the weights of PEFT's merge_and_unload",
  async (name) => {
    const model = await openModel(file('assets/models/stories260K.gguf'));
    const merged = mergedWeights(model, await readPeftAdapter(file(`test/fixtures/peft/${name}`)));
    for (const [tensor, sums] of Object.entries(expected.adapters[name]!.merged_sums)) {
      const values = await merged(tensor);
      const sum = values.reduce((total, value) => total + value, 0);
      const absolute = values.reduce((total, value) => total + Math.abs(value), 0);
      expect(Math.abs(sum - sums.sum), tensor).toBeLessThan(1e-6 * sums.abs_sum);
      expect(Math.abs(absolute - sums.abs_sum), tensor).toBeLessThan(1e-6 * sums.abs_sum);
      sums.first.forEach((value, i) => {
        expect(values[i], tensor).toBeCloseTo(value, 6);
      });
    }
    await model.close();
  },
);

test('strength 0 is the base model', async () => {
  const model = await openModel(file('assets/models/stories260K.gguf'));
  const merged = mergedWeights(model, await readPeftAdapter(file('test/fixtures/peft/lora')), 0);
  const name = 'model.layers.0.self_attn.q_proj.weight';
  expect(await merged(name)).toEqual(await model.tensor(name));
  await model.close();
});

test('a product of two small matrices is added row by row', () => {
  const merged = addLowRank(
    Float32Array.of(1, 2, 3, 4, 5, 6), // 2×3
    Float32Array.of(1, 10), // B 2×1
    Float32Array.of(1, 0, -1), // A 1×3
    1,
    0.5,
  );
  expect([...merged]).toEqual([1.5, 2, 2.5, 9, 5, 1]);
});
