// Brings a model's weights into the forms that the programs of a network take as inputs.
import { familyOf } from '../models/registry.ts';
import { type RopeTables, ropeTables } from '../nn/rope.ts';
import { weightLimit } from '../runtime/cpu.ts';
import type { Value, Values } from '../runtime/execute.ts';
import { type FrozenInput, storeFrozen } from '../runtime/frozen-linear.ts';
import type { ModelConfig } from '../weights/config.ts';

export type WeightSource = {
  readonly config: ModelConfig;
  readonly tensor: (name: string) => Promise<Float32Array>;
};
/** Trained tensors or their gradients by layer and name, such as `q_proj.A`. */
export type LayerTensors = readonly Readonly<Record<string, Float32Array>>[];

export type Weights = {
  readonly layers: readonly Values[];
  readonly rope: RopeTables;
  readonly embedding: Float32Array;
  readonly head: Values;
};

/** `frozen`: what the programs ask for of the weights that are not trained. */
export async function loadWeights(
  { config, tensor }: WeightSource,
  parameters: LayerTensors,
  frozen: readonly FrozenInput[],
): Promise<Weights> {
  const family = familyOf(config);
  const { layers: depth, headDim, hiddenSize: hidden, vocabSize, contextLength } = config;
  const { cos, sin } = ropeTables({
    positions: contextLength,
    headDim,
    theta: config.ropeTheta,
    factors: config.ropeScaling?.factors ?? null,
  });
  const limit = weightLimit();
  const layers: Values[] = [];
  for (let layer = 0; layer < depth; layer++) {
    const values: Record<string, Value> = {};
    for (const name of family.vectors) {
      const data = await tensor(`${family.module(layer, name)}.weight`);
      values[name] = { data, shape: [data.length] };
    }
    for (const [name, [out]] of family.linears(config)) {
      const weight = await tensor(`${family.module(layer, name)}.weight`);
      const wanted = frozen.filter((input) => input.weight === name);
      Object.assign(values, storeFrozen(weight, out, wanted, limit));
    }
    for (const [name, data] of Object.entries(parameters[layer]!)) {
      const [out, inner] = family.linears(config).get(name.slice(0, -2))!;
      const shape = name.endsWith('.A') ? [data.length / inner, inner] : [out, data.length / out];
      values[name] = { data, shape };
    }
    layers.push(values);
  }
  const embedding = await tensor('model.embed_tokens.weight');
  const table = config.tiedEmbeddings ? embedding : await tensor('lm_head.weight');
  return {
    layers,
    rope: { cos, sin },
    embedding,
    head: {
      table: { data: table, shape: [vocabSize, hidden] },
      norm: { data: await tensor('model.norm.weight'), shape: [hidden] },
    },
  };
}
