// A model whose adapter is being trained: sums of losses and gradients over rows, however many and
// however long. Knows neither optimizer nor schedule; the trainer changes `params` in place.
import type { Row } from '../data/row.ts';
import { randomStream } from '../lib/random.ts';
import { familyOf } from '../models/registry.ts';
import type { Precision } from '../runtime/frozen-linear.ts';
import { type Adapter, adapterScale, peftName } from '../weights/adapter.ts';
import type { ModelConfig } from '../weights/config.ts';
import type { ModelFile } from '../weights/model-file.ts';
import { noSums, type Sums, sequenceOf, wholeSequence } from './loss.ts';
import { type MicroBatch, microBatches } from './micro-batch.ts';
import { createNetwork, type Network } from './network.ts';

export type TrainableModel = {
  /** By PEFT name: `base_model.model.<module>.lora_A.weight` [rank, in], `…lora_B.weight` [out, rank]. */
  readonly params: ReadonlyMap<string, Float32Array>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Accumulated gradient of Σ w·ce: not divided by anything. */
  readonly grads: ReadonlyMap<string, Float32Array>;
  zeroGrads(): void;
  /** Forward and backward; adds to `grads`. Splits into micro-batches by itself. */
  accumulate(rows: readonly Row[]): Promise<Sums>;
  /** Forward in exact 32 bits, whatever the training precision. */
  evaluate(rows: readonly Row[]): Promise<Sums>;
  /** log p(ids[t] | ids[0..t)) for t = 1…, in exact 32 bits. */
  logProbs(row: Row): Promise<Float32Array>;
  /** Logits [vocabulary] of what follows `ids`, in exact 32 bits. */
  nextLogits(ids: Int32Array): Promise<Float32Array>;
  close(): Promise<void>;
};

export type TrainableModelOptions = {
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly string[];
  readonly rankStabilized: boolean;
  readonly precision: Precision;
  readonly threads: number;
  readonly seed: number;
  /** Continues from this adapter instead of a fresh one; it must have the same rank and targets. */
  readonly start?: Pick<Adapter, 'tensors'>;
  /** Most tokens of a micro-batch. */
  readonly maxTokens?: number;
  readonly profile?: string;
};

export async function loadTrainableModel(
  file: Pick<ModelFile, 'config' | 'tensor'>,
  options: TrainableModelOptions,
): Promise<TrainableModel> {
  const { config } = file;
  const { threads, precision, profile } = options;
  const { params, shapes, layers } = adapterTensors(config, options);
  const grads = new Map([...params].map(([name, { length }]) => [name, new Float32Array(length)]));
  const gradLayers = layers.map((layer) =>
    Object.fromEntries(Object.entries(layer).map(([key, name]) => [key, grads.get(name)!])),
  );
  const maxTokens = options.maxTokens ?? MAX_TOKENS;
  const plan = {
    rank: options.rank,
    scale: adapterScale(options),
    targets: new Set(options.targets),
  };
  const network = await createNetwork(
    file,
    layers.map((layer) =>
      Object.fromEntries(Object.entries(layer).map(([key, name]) => [key, params.get(name)!])),
    ),
    { plan, precision, threads, maxTokens, ...(profile !== undefined && { profile }) },
  );
  const sequences = (rows: readonly Row[]) =>
    microBatches(
      rows.map(sequenceOf).filter((sequence) => sequence !== null),
      maxTokens,
      config.heads,
    );
  const whole = (ids: Int32Array) => {
    const [batch] = microBatches([wholeSequence(ids)], maxTokens, config.heads);
    return batch!;
  };
  return {
    params,
    shapes,
    grads,
    zeroGrads() {
      for (const grad of grads.values()) grad.fill(0);
    },
    async accumulate(rows) {
      const sums = noSums();
      for (const batch of sequences(rows)) {
        const x = await network.forward(batch, true);
        const loss = await network.loss(batch, x, true);
        await network.backward(batch, loss.dx!, gradLayers);
        count(sums, loss, batch);
      }
      return sums;
    },
    async evaluate(rows) {
      const sums = noSums();
      for (const batch of sequences(rows))
        count(sums, await network.loss(batch, await network.forward(batch, false), false), batch);
      return sums;
    },
    async logProbs({ ids }) {
      if (ids.length < 2) return new Float32Array(0);
      const batch = whole(ids);
      const { ce } = await network.loss(batch, await network.forward(batch, false), false);
      return ce.map((value) => -value);
    },
    async nextLogits(ids) {
      const batch = whole(Int32Array.of(...ids, 0)); // what the last place holds is not read
      return network.logits(await network.forward(batch, false), ids.length - 1);
    },
    close: () => network.close(),
  };
}

type Loss = Awaited<ReturnType<Network['loss']>>;
function count(sums: Sums, { ce, correct, weights }: Loss, { sequences }: MicroBatch) {
  for (const [i, value] of ce.entries()) {
    sums.loss += weights[i]! * value;
    sums.weight += weights[i]!;
  }
  let end = 0;
  for (const { targets, answer } of sequences) {
    const answers = correct.subarray(end + answer, end + targets.length);
    end += targets.length;
    if (answers.length === 0) continue;
    const right = answers.reduce((sum, one) => sum + one, 0);
    sums.correct += right;
    sums.targets += answers.length;
    sums.correctRows += Number(right === answers.length);
    sums.rows += 1;
  }
}

// Enough for full speed of the matrix products; with more, element-wise passes leave the cache (twice the
// time at 1800 tokens) and the kept activations grow.
const MAX_TOKENS = 512;

/** Fresh or given tensors by PEFT name, and which of them each layer calls `q_proj.A` and so on. */
function adapterTensors(config: ModelConfig, options: TrainableModelOptions) {
  const family = familyOf(config);
  const params = new Map<string, Float32Array>();
  const shapes = new Map<string, readonly number[]>();
  const layers = Array.from({ length: config.layers }, (_, layer) => {
    const names: Record<string, string> = {};
    for (const [linear, [out, inner]] of family.linears(config)) {
      if (!options.targets.includes(linear)) continue;
      for (const side of ['A', 'B'] as const) {
        const name = peftName(family.module(layer, linear), side);
        const shape = side === 'A' ? [options.rank, inner] : [out, options.rank];
        names[`${linear}.${side}`] = name;
        shapes.set(name, shape);
        params.set(
          name,
          given(options.start, name, shape) ?? fresh(side, name, shape, options.seed),
        );
      }
    }
    return names;
  });
  const unknown = options.targets.filter((name) => !family.linears(config).has(name));
  if (unknown.length > 0) throw new Error(`no layer of this model is called ${unknown.join(', ')}`);
  const strange = [...(options.start?.tensors.keys() ?? [])].filter((name) => !params.has(name));
  if (strange.length > 0)
    throw new Error(`the adapter to start from has ${strange[0]}, which is not trained here`);
  return { params, shapes, layers };
}

function given(
  start: TrainableModelOptions['start'],
  name: string,
  shape: readonly number[],
): Float32Array | null {
  if (start === undefined) return null;
  const tensor = start.tensors.get(name);
  if (tensor === undefined || tensor.shape.join() !== shape.join())
    throw new Error(`the adapter to start from has no ${name} of shape [${shape.join(', ')}]`);
  return tensor.data.slice();
}

// As PEFT: A by kaiming_uniform with a = √5, which is uniform in ±1/√in; B zero, so that the model is
// unchanged at the start.
function fresh(side: 'A' | 'B', name: string, shape: readonly number[], seed: number) {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(rows * columns);
  if (side === 'B') return out;
  const random = randomStream(seed, `lora/${name}`);
  const bound = 1 / Math.sqrt(columns);
  return out.map(() => (2 * random() - 1) * bound);
}
