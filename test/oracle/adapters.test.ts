// 09: adapter folders written by PEFT: logits and loss at several strengths, and merged.
import { expect, test } from 'vitest';
import { mergedWeights } from '../../src/merge/adapter.ts';
import type { TrainableModel } from '../../src/train/model.ts';
import { readPeftAdapter } from '../../src/weights/adapter.ts';
import {
  expectRelative,
  has,
  lacking,
  largestDifference,
  modelPath,
  oraclePath,
  readOracle,
  readTensors,
  rowOfIds,
  sumsOf,
  type TensorSums,
  withModelFile,
  withTrainable,
} from './oracle.ts';

type Adapters = {
  model: string;
  ids: number[][];
  logits: string;
  adapters: Record<
    string,
    { loss: Record<string, number>; merged_sums: Record<string, TensorSums> }
  >;
};
const LOGITS = 3e-4;
const oracle = has('09_adapters.json') ? readOracle<Adapters>('09_adapters.json') : null;

for (const [name, expected] of Object.entries(oracle?.adapters ?? {})) {
  const folder = oraclePath(`09_adapter_${name}`);
  if (name === 'dora') {
    test.todo(`09 ${name}: not yet supported`);
    continue;
  }
  const { model: modelName, ids, logits } = oracle!;
  const found = test.skipIf(modelPath(modelName) === null);
  found(`09 ${name}: logits and loss at every strength${lacking(modelName)}`, async () => {
    const references = await readTensors(logits);
    const adapter = await readPeftAdapter(folder);
    await withModelFile(modelName, async (file) => {
      for (const [strength, loss] of Object.entries(expected.loss)) {
        const scaled = { ...adapter, alpha: adapter.alpha * Number(strength) };
        await withTrainable(file, scaled, async (model) => {
          const sums = await model.evaluate(ids.map(rowOfIds));
          expectRelative(sums.loss / sums.weight, loss, 1e-5, `loss at strength ${strength}`);
          const reference = references.get(`${name}.scale${strength}`)!;
          const got = await allLogits(model, ids);
          expect(largestDifference(got, reference.data), strength).toBeLessThan(LOGITS);
        });
      }
    });
  });

  found(`09 ${name}: merged weights and their logits${lacking(modelName)}`, async () => {
    const references = await readTensors(logits);
    const adapter = await readPeftAdapter(folder);
    await withModelFile(modelName, async (file) => {
      const tensor = mergedWeights(file, adapter);
      for (const [weight, sums] of Object.entries(expected.merged_sums)) {
        const got = sumsOf(await tensor(weight));
        expect(largestDifference(got.first, sums.first), weight).toBeLessThan(1e-6);
        expectRelative(got.abs_sum, sums.abs_sum, 1e-6, weight);
        expect(Math.abs(got.sum - sums.sum), weight).toBeLessThan(1e-6 * sums.abs_sum);
      }
      await withTrainable({ config: file.config, tensor }, null, async (model) => {
        const got = await allLogits(model, ids);
        expect(largestDifference(got, references.get(`${name}.merged`)!.data)).toBeLessThan(LOGITS);
      });
    });
  });
}

/** [sequences, positions, vocabulary], row-major. */
async function allLogits(model: TrainableModel, sequences: readonly number[][]) {
  const out: number[] = [];
  for (const ids of sequences)
    for (let t = 1; t <= ids.length; t++)
      out.push(...(await model.nextLogits(Int32Array.from(ids.slice(0, t)))));
  return out;
}
if (!has('09_adapters.json')) test.skip('09: 09_adapters.json is not in the folder', () => {});
