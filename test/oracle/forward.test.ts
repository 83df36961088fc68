// 01: logits and log-probabilities of the base models, and what dequantizing gives.
import { expect, test } from 'vitest';
import {
  expectRelative,
  lacking,
  largestDifference,
  listed,
  modelPath,
  readOracle,
  sumsOf,
  type TensorSums,
  withModelFile,
  withTrainable,
} from './oracle.ts';

type Forward = {
  model: string;
  prompts: {
    ids: number[];
    top20_ids: number[];
    top20_logits: number[];
    token_logprobs: number[];
  }[];
  greedy?: { prompt_ids: number[]; ids: number[] };
  dequantized?: Record<string, TensorSums>;
};

const forwards = listed(/^01_forward_.*\.json$/);
if (forwards.length === 0) test.todo('01 left out: the folder has no file 01_forward_*.json');
for (const name of forwards) {
  const oracle = readOracle<Forward>(name);
  const limit = oracle.dequantized ? 1e-3 : 2e-4; // the larger model has larger logits
  const found = test.skipIf(modelPath(oracle.model) === null);
  const left = lacking(oracle.model);

  found(`01 ${oracle.model}: logits and log-probabilities of every prompt${left}`, async () => {
    await withModelFile(oracle.model, (file) =>
      withTrainable(file, null, async (model) => {
        for (const prompt of oracle.prompts) {
          const ids = Int32Array.from(prompt.ids);
          const logProbs = await model.logProbs({ ids, weights: new Float32Array(ids.length) });
          expect(largestDifference(logProbs, prompt.token_logprobs)).toBeLessThan(limit);
          const logits = await model.nextLogits(ids);
          const top = prompt.top20_ids.map((id) => logits[id]!);
          expect(largestDifference(top, prompt.top20_logits)).toBeLessThan(limit);
          const last = Math.min(...prompt.top20_logits);
          const listedIds = new Set(prompt.top20_ids);
          const above = logits.findIndex((value, id) => value > last + limit && !listedIds.has(id));
          expect(above, 'a token outside the list is above it').toBe(-1);
        }
        if (oracle.greedy) expect(await greedy(model, oracle.greedy)).toEqual(oracle.greedy.ids);
      }),
    );
  });

  if (oracle.dequantized)
    found(`01 ${oracle.model}: dequantized tensors have the recorded sums${left}`, async () => {
      await withModelFile(oracle.model, async (file) => {
        for (const [tensor, expected] of Object.entries(oracle.dequantized!)) {
          const got = sumsOf(await file.tensor(tensor));
          // A sum of both signs cancels: its error is one of the absolute sum.
          expect(Math.abs(got.sum - expected.sum)).toBeLessThan(1e-6 * expected.abs_sum);
          expectRelative(got.abs_sum, expected.abs_sum, 1e-6, tensor);
          for (const [i, value] of expected.first.entries())
            expectRelative(got.first[i]!, value, 1e-6, `${tensor}[${i}]`);
        }
      });
    });
}

async function greedy(
  model: { nextLogits(ids: Int32Array): Promise<Float32Array> },
  { prompt_ids, ids: expected }: { prompt_ids: number[]; ids: number[] },
) {
  const ids = [...prompt_ids];
  for (const _ of expected) {
    const logits = await model.nextLogits(Int32Array.from(ids));
    ids.push(logits.indexOf(logits.reduce((a, b) => Math.max(a, b))));
  }
  return ids.slice(prompt_ids.length);
}
