// 03 and 05: LoRA trajectories, rows together and apart, weighted loss.
import { expect, test } from 'vitest';
import type { Row } from '../../src/data/row.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { adamWState } from '../../src/optim/adamw.ts';
import { globalNorm } from '../../src/optim/clip.ts';
import { type ScheduleName, schedule } from '../../src/optim/schedule.ts';
import { noSums, type Sums } from '../../src/train/loss.ts';
import type { TrainableModel } from '../../src/train/model.ts';
import { train } from '../../src/train/trainer.ts';
import {
  expectRelative,
  has,
  type JsonRow,
  type LoraSettings,
  lacking,
  largestDifference,
  modelPath,
  readAdapter,
  readOracle,
  readTensors,
  rowOf,
  sumsOf,
  type TensorSums,
  withModelFile,
  withTrainable,
} from './oracle.ts';

type Trajectory = {
  model: string;
  lora: LoraSettings;
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  clip: number;
  schedule?: ScheduleName;
  warmup_steps?: number;
  init: string;
  final: string;
  rows: JsonRow[];
  micro_batches: number[][][];
  steps: { step: number; lr: number; loss: number; grad_norm: number }[];
  final_sums: Record<string, TensorSums>;
};

const LIMITS = { loss: 1e-5, norm: 1e-4, weights: 1e-4, outliers: 0, outlier: 0 };
// 03b's reference was never compared with float64. In float64 (train64 of its make.py) five of its weights
// end up to 4e-4 away from it: where a gradient is almost zero, AdamW turns its rounding error into a
// step. Three in ten thousand weights of a tensor may therefore differ by that much.
const ROUNDED = { outliers: 3e-4, outlier: 5e-4 };
const CASES = [
  { name: '03a', limits: LIMITS },
  { name: '03b', limits: { ...LIMITS, ...ROUNDED, loss: 5e-5, norm: 2e-4 } },
  { name: '03c', limits: LIMITS },
];

for (const { name, limits } of CASES) {
  const path = `${name}_lora.json`;
  const oracle = has(path) ? readOracle<Trajectory>(path) : null;
  const left = oracle ? lacking(oracle.model) : ' (left out: not in this folder)';
  test.skipIf(!oracle || left !== '')(
    `${name}: loss, gradient norm and rate of every step, and the final weights${left}`,
    async () => {
      const { lora, lr, betas, rows: jsonRows, ...rest } = oracle!;
      const rows = jsonRows.map(rowOf);
      const micro = rest.micro_batches.map((step) => step.map((part) => part.map((i) => rows[i]!)));
      await onModel(rest.model, rest.init, lora, async (model) => {
        const total = rest.steps.length;
        const rate = schedule({
          name: rest.schedule ?? 'constant',
          peak: lr,
          warmup: rest.warmup_steps ?? 0,
          total,
        });
        const steps = train(
          inMicroBatches(model, micro),
          micro.map((parts) => parts.flat()),
          adamWState(model.params),
          {
            rate,
            maxGradNorm: rest.clip,
            weightDecay: rest.weight_decay,
            eps: rest.eps,
            beta1: betas[0],
            beta2: betas[1],
            clock: systemClock,
          },
        );
        for await (const got of steps) {
          const expected = rest.steps[got.step - 1]!;
          expectRelative(got.loss, expected.loss, limits.loss, `loss of step ${got.step}`);
          expectRelative(got.gradNorm, expected.grad_norm, limits.norm, `norm of step ${got.step}`);
          expectRelative(got.learningRate, expected.lr, 1e-9, `rate of step ${got.step}`);
        }
        for (const [tensor, { data }] of await readTensors(rest.final)) {
          const trained = model.params.get(tensor)!;
          const apart = [...data].map((value, i) => Math.abs(value - trained[i]!));
          const beyond = apart.filter((difference) => difference >= limits.weights);
          expect(beyond.length, tensor).toBeLessThanOrEqual(limits.outliers * data.length);
          for (const difference of beyond) expect(difference, tensor).toBeLessThan(limits.outlier);
        }
        expect([...model.params.keys()].sort()).toEqual(Object.keys(rest.final_sums).sort());
        for (const [tensor, expected] of Object.entries(rest.final_sums)) {
          const values = model.params.get(tensor)!;
          const got = sumsOf(values);
          expect(largestDifference(got.first, expected.first), tensor).toBeLessThan(limits.weights);
          const mean = Math.abs(got.abs_sum - expected.abs_sum) / values.length;
          expect(mean, `mean magnitude of ${tensor}`).toBeLessThan(limits.weights);
        }
      });
    },
  );
}

/** Every step in the parts that the case names, whatever the engine would choose. */
function inMicroBatches(model: TrainableModel, steps: readonly Row[][][]): TrainableModel {
  let next = 0;
  return {
    ...model,
    async accumulate() {
      const sums = noSums();
      for (const part of steps[next++]!)
        for (const [key, value] of Object.entries(await model.accumulate(part)))
          sums[key as keyof Sums] += value;
      return sums;
    },
  };
}

const GRADIENTS = '03a_grad_step1.safetensors';
test.skipIf(!has(GRADIENTS) || !has('03a_lora.json'))(
  '03a: the gradient of every B in the first step, and of A it is exactly 0',
  async () => {
    const { model: name, init, lora, rows } = readOracle<Trajectory>('03a_lora.json');
    await onModel(name, init, lora, async (model) => {
      const { weight } = await model.accumulate(rows.map(rowOf));
      for (const [tensor, { data }] of await readTensors(GRADIENTS)) {
        const got = model.grads.get(tensor)!.map((value) => value / weight);
        expect(largestDifference(got, data), tensor).toBeLessThan(1e-4 * globalNorm([data]) + 1e-7);
      }
      for (const [tensor, grad] of model.grads)
        if (tensor.includes('lora_A')) expect(globalNorm([grad]), tensor).toBe(0);
    });
  },
);

type Loss = { loss: number; grad_norm: number };
type Packing = {
  adapter: string;
  lora: LoraSettings;
  rows: JsonRow[];
  unpacked: Loss;
  unpacked_each: number[];
  packed: Loss;
};
test.skipIf(!has('03d_packing.json'))(
  '03d: rows in one batch have the loss and the gradient of rows apart',
  async () => {
    const oracle = readOracle<Packing>('03d_packing.json');
    // The file does not name its model: it is that of the adapter.
    const { model: name } = readOracle<Trajectory>('03a_lora.json');
    const rows = oracle.rows.map(rowOf);
    await onModel(name, oracle.adapter, oracle.lora, async (model) => {
      for (const [i, row] of rows.entries()) {
        const { loss, weight } = await model.evaluate([row]);
        expectRelative(loss / weight, oracle.unpacked_each[i]!, 1e-5, `row ${i}`);
      }
      const together = await gradientOf(model, [rows]);
      const apart = await gradientOf(
        model,
        rows.map((row) => [row]),
      );
      for (const [got, expected] of [
        [together, oracle.packed],
        [apart, oracle.unpacked],
      ] as const) {
        expectRelative(got.loss, expected.loss, 1e-5, 'loss');
        expectRelative(got.grad_norm, expected.grad_norm, 1e-4, 'gradient norm');
      }
    });
  },
);

type Weighted = {
  model: string;
  lora: LoraSettings;
  weights: {
    prompt_weight: number;
    rows: JsonRow[];
    weight_sum: number;
    base_full: Loss;
    lora_03a_final: Loss;
  }[];
};
const weighted = has('05_weighted_loss.json')
  ? readOracle<Weighted>('05_weighted_loss.json')
  : null;
for (const expected of weighted?.weights ?? []) {
  const { model: name, lora } = weighted!;
  test.skipIf(modelPath(name) === null)(
    `05: loss and gradient of an adapter with prompt weight ${expected.prompt_weight}${lacking(name)}`,
    async () => {
      const rows = expected.rows.map(rowOf);
      await onModel(name, '03a_final.safetensors', lora, async (model) => {
        const { loss, grad_norm, weight } = await gradientOf(model, [rows]);
        expectRelative(weight, expected.weight_sum, 1e-6, 'sum of weights');
        expectRelative(loss, expected.lora_03a_final.loss, 1e-5, 'loss');
        expectRelative(grad_norm, expected.lora_03a_final.grad_norm, 1e-4, 'gradient norm');
      });
      await withModelFile(name, (file) =>
        withTrainable(file, null, async (model) => {
          const { loss, weight } = await model.evaluate(rows);
          expectRelative(loss / weight, expected.base_full.loss, 1e-5, 'loss of the base model');
        }),
      );
    },
  );
}

async function gradientOf(model: TrainableModel, parts: readonly Row[][]) {
  model.zeroGrads();
  let [loss, weight] = [0, 0];
  for (const part of parts) {
    const sums = await model.accumulate(part);
    loss += sums.loss;
    weight += sums.weight;
  }
  return { loss: loss / weight, weight, grad_norm: globalNorm(model.grads.values(), 1 / weight) };
}

const onModel = (
  name: string,
  adapter: string,
  lora: LoraSettings,
  use: (model: TrainableModel) => Promise<void>,
) =>
  withModelFile(name, async (file) => withTrainable(file, await readAdapter(adapter, lora), use));
