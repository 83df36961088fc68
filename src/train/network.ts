// Runs a model block by block: the forward keeps what the backward of each block needs, the backward
// walks down and leaves the gradients of the trained tensors. One small ONNX program per piece of a
// block serves all layers, because weights are inputs: building takes a fraction of a second whatever
// the depth, and every weight is in memory once.
import { familyOf } from '../models/registry.ts';
import { causalMask } from '../nn/attention.ts';
import { crossEntropyProgram, logitsProgram } from '../nn/cross-entropy.ts';
import type { LoraPlan } from '../nn/lora.ts';
import { backwardProgram, forwardProgram, type Piece } from '../nn/piece.ts';
import {
  compile,
  type Data,
  type Executable,
  type Value,
  type Values,
} from '../runtime/execute.ts';
import type { Precision } from '../runtime/frozen-linear.ts';
import type { Program } from '../tensor/graph.ts';
import type { ModelConfig } from '../weights/config.ts';
import { type Block, type Group, type MicroBatch, padded, unpadded } from './micro-batch.ts';
import {
  type LayerTensors,
  loadWeights,
  type WeightSource,
  type Weights,
} from './network-weights.ts';

export type NetworkOptions = {
  readonly plan: LoraPlan;
  readonly precision: Precision;
  readonly threads: number;
  /** Most tokens of a micro-batch; a longer row is one by itself. */
  readonly maxTokens: number;
  readonly profile?: string;
};
type Programs = {
  readonly train: { before: Executable; after: Executable };
  readonly exact: { before: Executable; after: Executable };
  readonly attend: Executable;
  readonly attendBack: Executable | null;
  readonly back: { before: Executable | null; after: Executable | null };
  /** Of layer 0, below which nothing is trained. */
  readonly lowest: { before: Executable | null; after: Executable | null };
  readonly loss: Executable;
  readonly lossBack: Executable;
  readonly logits: Executable;
};

// Targets whose logits exist at the same time: enough for full speed, 100 MB at 100 000 words.
const HEAD_CHUNK = 256;

export async function createNetwork(
  source: WeightSource,
  parameters: LayerTensors,
  options: NetworkOptions,
): Promise<Network> {
  const { config } = source;
  const family = familyOf(config);
  const block = family.block(config, options.plan);
  const exe = (program: Program, precision: Precision = options.precision) =>
    compile(program, { threads: options.threads, precision, profile: options.profile });
  const backward = async (piece: Piece, wanted: readonly string[]) => {
    const program = backwardProgram(piece, wanted);
    return program && exe(program);
  };
  const trainsBefore = Object.keys(block.before.parameters).length > 0;
  const pieces = async (precision: Precision, keep: boolean) => ({
    before: await exe(forwardProgram(block.before, keep), precision),
    after: await exe(forwardProgram(block.after, keep), precision),
  });
  const head = { ...config, epsilon: config.rmsNormEps };
  const programs: Programs = {
    train: await pieces(options.precision, true),
    exact: await pieces('f32', false),
    attend: await exe(forwardProgram(block.attention, false)),
    attendBack: await backward(block.attention, ['q', 'k', 'v']),
    back: {
      before: await backward(block.before, ['x']),
      after: await backward(block.after, ['x', 'o']),
    },
    lowest: {
      before: await backward(block.before, []),
      after: await backward(block.after, trainsBefore ? ['o'] : []),
    },
    loss: await exe(crossEntropyProgram(head, false)),
    lossBack: await exe(crossEntropyProgram(head, true)),
    logits: await exe(logitsProgram(head)),
  };
  return new Network(
    config,
    programs,
    await loadWeights(source, parameters, frozenOf(programs)),
    options,
  );
}

const frozenOf = ({ train, exact, back, lowest }: Programs) =>
  [train, exact, back, lowest]
    .flatMap((pair) => [pair.before, pair.after])
    .flatMap((executable) => executable?.frozen ?? []);

export class Network {
  readonly #config: ModelConfig;
  readonly #programs: Programs;
  readonly #weights: Weights;
  readonly #options: NetworkOptions;
  readonly #buffers = new Map<string, Float32Array>();
  readonly #kept: Values[] = [];
  readonly #masks = new Map<string, Value>();

  constructor(config: ModelConfig, programs: Programs, weights: Weights, options: NetworkOptions) {
    this.#config = config;
    this.#programs = programs;
    this.#weights = weights;
    this.#options = options;
  }

  /** The last block's result [tokens, hidden]. With `keep` by the training programs, ready for
   *  `backward`; without, exactly and keeping nothing. */
  async forward(batch: MicroBatch, keep: boolean): Promise<Float32Array> {
    const { layers, hiddenSize } = this.#config;
    const programs = keep ? this.#programs.train : this.#programs.exact;
    const places = this.#places(batch);
    let x = this.#embed(batch);
    for (let layer = 0; layer < layers; layer++) {
      const at = keep ? layer : 0;
      const inputs = {
        ...this.#weights.layers[layer]!,
        ...places,
        x: { data: x, shape: [batch.tokens, hiddenSize] },
      };
      const first = await this.#run(programs.before, inputs, batch, `${at}/`);
      const { q, k, v } = first;
      const o = await this.#attend(batch, { q: q!, k: k!, v: v! }, at);
      const next = keep ? layer + 1 : (layer + 1) % 2;
      const { y, ...last } = await this.#run(programs.after, { ...inputs, o }, batch, `${at}/`, {
        y: this.#activation(`${next}/x`, batch, hiddenSize),
      });
      if (keep) this.#kept[layer] = { ...first, o, ...last, x: inputs.x };
      x = y!.data as Float32Array;
    }
    return x;
  }

  /** Takes d(loss)/d(last block's result), adds to the gradients. Belongs to the last `forward`. */
  async backward(batch: MicroBatch, dy: Float32Array, gradients: LayerTensors): Promise<void> {
    const { layers, hiddenSize } = this.#config;
    const shape = [batch.tokens, hiddenSize];
    const places = this.#places(batch);
    let dx = dy;
    for (let layer = layers - 1; layer >= 0; layer--) {
      const { before, after } = layer === 0 ? this.#programs.lowest : this.#programs.back;
      if (after === null) return;
      const add = (results: Values) => {
        for (const [name, sum] of Object.entries(gradients[layer]!)) {
          const part = results[`d.${name}`]?.data as Float32Array | undefined;
          if (part !== undefined) for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
        }
      };
      const inputs = {
        ...this.#weights.layers[layer]!,
        ...this.#kept[layer]!,
        ...places,
      };
      const upper = await this.#run(
        after,
        { ...inputs, 'seed.y': { data: dx, shape } },
        batch,
        'back/',
      );
      add(upper);
      if (before === null) return;
      const attention = await this.#attendBack(batch, inputs, upper['d.o']!);
      const lower = await this.#run(
        before,
        { ...inputs, ...attention, ...(upper['d.x'] && { 'seed.x': upper['d.x'] }) },
        batch,
        'back/',
        { 'd.x': this.#activation('back/d.x below', batch, hiddenSize) },
      );
      add(lower);
      if (lower['d.x']) dx = lower['d.x'].data as Float32Array;
    }
  }

  /** Cross-entropy of every target of the batch, in order, and whether it was the likeliest token.
   *  With `gradient`, d(Σ weight·ce)/dx for `backward`. */
  async loss(batch: MicroBatch, x: Float32Array, gradient: boolean) {
    const { hiddenSize: hidden } = this.#config;
    const program = gradient ? this.#programs.lossBack : this.#programs.loss;
    const { positions, targets, weights } = flatTargets(batch);
    const ce = new Float32Array(targets.length);
    const correct = new Uint8Array(targets.length);
    const dx = gradient ? this.#activation('head/d.x', batch, hidden).fill(0) : null;
    for (let start = 0; start < targets.length; start += HEAD_CHUNK) {
      const end = Math.min(targets.length, start + HEAD_CHUNK);
      const M = end - start;
      const result = await program.run({
        ...this.#weights.head,
        x: { data: rows(x, positions.subarray(start, end), hidden), shape: [M, hidden] },
        target: { data: targets.subarray(start, end), shape: [M] },
        weight: { data: weights.subarray(start, end), shape: [M, 1] },
      });
      ce.set(result['ce']!.data as Float32Array, start);
      for (let i = 0; i < M; i++)
        correct[start + i] = Number(result['logit']!.data[i]! >= result['best']!.data[i]!);
      const part = result['d.x']?.data as Float32Array | undefined;
      if (dx !== null && part !== undefined)
        for (let i = 0; i < M; i++)
          dx.set(part.subarray(i * hidden, (i + 1) * hidden), positions[start + i]! * hidden);
    }
    return { ce, correct, weights, dx };
  }

  /** Logits [vocabulary] behind the token at `position`. */
  async logits(x: Float32Array, position: number): Promise<Float32Array> {
    const { hiddenSize: hidden } = this.#config;
    const data = x.subarray(position * hidden, (position + 1) * hidden);
    const input = { ...this.#weights.head, x: { data, shape: [1, hidden] } };
    return (await this.#programs.logits.run(input))['logits']!.data as Float32Array;
  }

  async close(): Promise<void> {
    const { train, exact, back, lowest, ...rest } = this.#programs;
    for (const group of [train, exact, back, lowest, rest])
      for (const program of Object.values(group)) await program?.close();
    this.#buffers.clear();
  }

  #embed({ ids, tokens }: MicroBatch): Float32Array {
    const { hiddenSize: hidden } = this.#config;
    const x = this.#buffer('0/x', tokens * hidden);
    for (const [i, id] of ids.entries())
      x.set(this.#weights.embedding.subarray(id * hidden, (id + 1) * hidden), i * hidden);
    return x;
  }

  /** Rotary tables token by token, because the kernel wants them no shorter than its input. */
  #places({ positions, tokens }: MicroBatch): Values {
    const half = this.#config.headDim / 2;
    const table = (all: Float32Array) => ({
      data: rows(all, positions, half),
      shape: [tokens, half],
    });
    const { cos, sin } = this.#weights.rope;
    const counted = BigInt64Array.from({ length: tokens }, (_, i) => BigInt(i));
    return { positions: { data: counted, shape: [tokens] }, cos: table(cos), sin: table(sin) };
  }

  async #attend(batch: MicroBatch, { q, k, v }: Values, layer: number): Promise<Value> {
    const { heads, headDim } = this.#config;
    const o = this.#flat(`${layer}/o`, batch, heads * headDim);
    for (const group of batch.groups) {
      const [rows, into] = [this.#rows({ q: q!, k: k!, v: v! }, group), this.#rows({ o }, group)];
      for (const block of group.blocks)
        await this.#programs.attend.run(this.#block(rows, block), {
          o: blockOf(into['o']!, block).data,
        });
      unpadded(into['o']!.data as Float32Array, o.data as Float32Array, group, heads * headDim);
    }
    return o;
  }

  async #attendBack(batch: MicroBatch, { q, k, v, o }: Values, dO: Value): Promise<Values> {
    const found = {
      'd.q': this.#flat('back/d.q', batch, q!.shape[1]!),
      'd.k': this.#flat('back/d.k', batch, k!.shape[1]!),
      'd.v': this.#flat('back/d.v', batch, v!.shape[1]!),
    };
    for (const group of batch.groups) {
      const rows = this.#rows({ q: q!, k: k!, v: v!, o: o!, 'seed.o': dO }, group);
      const into = this.#rows(found, group);
      // From the last block, which reaches all keys, to the first: the later ones only add.
      for (const [i, block] of group.blocks.toReversed().entries()) {
        const [dk, dv] = (['d.k', 'd.v'] as const).map((name) => {
          const sum = prefixOf(into[name]!, block).data as Float32Array;
          return { sum, part: i === 0 ? sum : this.#buffer(`block/${name}`, sum.length) };
        });
        await this.#programs.attendBack!.run(this.#block(rows, block), {
          'd.q': blockOf(into['d.q']!, block).data,
          'd.k': dk!.part,
          'd.v': dv!.part,
        });
        if (i === 0) continue;
        for (const { sum, part } of [dk!, dv!])
          for (let at = 0; at < sum.length; at++) sum[at]! += part[at]!;
      }
      for (const [name, { data, shape }] of Object.entries(found))
        unpadded(into[name]!.data as Float32Array, data as Float32Array, group, shape[1]!);
    }
    return { 'seed.q': found['d.q'], 'seed.k': found['d.k'], 'seed.v': found['d.v'] };
  }

  /** Inputs of a block of queries: itself and all keys up to its end. */
  #block(rows: Values, block: Block): Values {
    const out: Record<string, Value> = { mask: this.#mask(block) };
    for (const [name, value] of Object.entries(rows))
      out[name] = name === 'k' || name === 'v' ? prefixOf(value, block) : blockOf(value, block);
    return out;
  }

  /** Stretches of flat [N, columns] values as [rows, longest, columns]. */
  #rows(values: Values, group: Group): Record<string, Value> {
    const out: Record<string, Value> = {};
    for (const [name, { data, shape }] of Object.entries(values)) {
      const scratch = (size: number) => this.#buffer(`group/${name}`, size);
      out[name] = {
        data: padded(data as Float32Array, group, shape[1]!, scratch),
        shape: [group.lengths.length, group.longest, shape[1]!],
      };
    }
    return out;
  }

  #mask({ start, end }: Block): Value {
    const key = `${end - start} of ${end}`;
    let mask = this.#masks.get(key);
    if (mask === undefined) {
      const group = this.#config.heads / this.#config.kvHeads;
      const data = causalMask(group, end - start, end);
      mask = { data, shape: [group * (end - start), end] };
      if (this.#masks.size >= 64) this.#masks.clear(); // each batch asks for a handful, layer by layer
      this.#masks.set(key, mask);
    }
    return mask;
  }

  /** Results land in buffers named after them that the next batch uses again. */
  async #run(
    program: Executable,
    inputs: Values,
    batch: MicroBatch,
    prefix: string,
    given: Readonly<Record<string, Data>> = {},
  ): Promise<Record<string, Value>> {
    const into: Record<string, Data> = {};
    for (const [name, size] of program.outputSizes(inputs))
      into[name] = given[name] ?? this.#buffer(prefix + name, size, batch.tokens);
    return program.run(inputs, into);
  }

  #flat(key: string, batch: MicroBatch, columns: number): Value {
    return { data: this.#activation(key, batch, columns), shape: [batch.tokens, columns] };
  }

  #activation(key: string, { tokens }: MicroBatch, columns: number): Float32Array {
    return this.#buffer(key, tokens * columns, tokens);
  }

  /** The buffer of that name, large enough for the largest batch: untouched pages cost nothing. */
  #buffer(key: string, size: number, tokens?: number): Float32Array {
    let buffer = this.#buffers.get(key);
    if (buffer === undefined || buffer.length < size) {
      const room = tokens === undefined ? 1 : Math.max(1, this.#options.maxTokens / tokens);
      buffer = new Float32Array(Math.ceil(size * room));
      this.#buffers.set(key, buffer);
    }
    return buffer.subarray(0, size);
  }
}

// Blocks cut rows apart only where a group is a single row, so that they are views.
function blockOf({ data, shape }: Value, { start, end }: Block): Value {
  const [rows, , columns] = shape as [number, number, number];
  if (rows > 1) return { data, shape };
  return { data: data.subarray(start * columns, end * columns), shape: [1, end - start, columns] };
}
const prefixOf = (value: Value, { end }: Block) => blockOf(value, { start: 0, end });

/** Of all sequences, with places in the flat list. */
function flatTargets({ sequences }: MicroBatch) {
  const positions: number[] = [];
  let start = 0;
  for (const sequence of sequences) {
    for (const position of sequence.positions) positions.push(start + position);
    start += sequence.ids.length;
  }
  return {
    positions: Int32Array.from(positions),
    targets: BigInt64Array.from(sequences.flatMap(({ targets }) => targets.map(BigInt))),
    weights: Float32Array.from(sequences.flatMap(({ weights }) => weights)),
  };
}

function rows(x: Float32Array, positions: Int32Array, columns: number): Float32Array {
  const out = new Float32Array(positions.length * columns);
  for (const [i, position] of positions.entries())
    out.set(x.subarray(position * columns, (position + 1) * columns), i * columns);
  return out;
}
