// LoRA adapters on disk: the PEFT folder that everybody exchanges and the GGUF file that llama.cpp
// serves. In memory names and row order are those of PEFT; a GGUF file holds the same numbers with
// the rows of query and key reordered. What PEFT can express and Tunery cannot is refused by name.
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { writeTextAtomically } from './atomic-write.ts';
import type { ModelConfig } from './config.ts';
import { type GgufFile, openGguf } from './gguf.ts';
import { type GgufField, type GgufTensorSource, writeGguf } from './gguf-write.ts';
import { isRotary, reorderRotaryRows, tensorShapes, toGguf, toHuggingFace } from './names.ts';
import { parseJson } from './parse-json.ts';
import { dequantize } from './quantize.ts';
import { openSafetensors, type SafetensorsSource, writeSafetensors } from './safetensors.ts';

export type AdapterTensor = { readonly shape: readonly number[]; readonly data: Float32Array };
export type Adapter = {
  readonly rank: number;
  readonly alpha: number;
  readonly rankStabilized: boolean;
  /** Layers by their last name, such as `q_proj`. */
  readonly targets: readonly string[];
  /** By PEFT name: `base_model.model.<module>.lora_A.weight` [rank, in], `…lora_B.weight` [out, rank]. */
  readonly tensors: ReadonlyMap<string, AdapterTensor>;
};

export class AdapterError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('invalid_adapter', message, { cause });
  }
}

/** Factor on B·A. LoRA (arXiv:2106.09685) §4.1; rank-stabilized: rsLoRA (arXiv:2312.03732). */
export const adapterScale = ({
  alpha,
  rank,
  rankStabilized,
}: Omit<Adapter, 'targets' | 'tensors'>) =>
  rankStabilized ? alpha / Math.sqrt(rank) : alpha / rank;

/** The adapted modules, such as `model.layers.0.mlp.up_proj`, with their two matrices. */
export function adapterPairs(
  adapter: Adapter,
): ReadonlyMap<string, { readonly a: AdapterTensor; readonly b: AdapterTensor }> {
  const pairs = new Map<string, { a: AdapterTensor; b: AdapterTensor }>();
  for (const [name, tensor] of adapter.tensors) {
    const [module, side] = parseName(name);
    const other = adapter.tensors.get(peftName(module, side === 'A' ? 'B' : 'A'));
    if (!other) throw new AdapterError(`Adapter tensor '${name}' has no counterpart.`);
    pairs.set(module, side === 'A' ? { a: tensor, b: other } : { a: other, b: tensor });
  }
  return pairs;
}

export const peftName = (module: string, side: 'A' | 'B') =>
  `base_model.model.${module}.lora_${side}.weight`;

function parseName(name: string): [module: string, side: 'A' | 'B'] {
  const [, module, side] = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(name) ?? [];
  if (!module || !toGguf(`${module}.weight`) || !module.endsWith('_proj'))
    throw new AdapterError(
      `Adapter tensor '${name}' is not supported; supported are lora_A and lora_B of the linear layers of attention and MLP.`,
    );
  return [module, side as 'A' | 'B'];
}

/** Throws AdapterError where a matrix does not fit into the model. */
export function checkAdapterFits(adapter: Adapter, config: ModelConfig): void {
  const shapes = tensorShapes(config);
  for (const [module, { a, b }] of adapterPairs(adapter)) {
    const [rows, columns] = shapes.get(`${module}.weight`) ?? [];
    if (rows === undefined || columns === undefined)
      throw new AdapterError(
        `The adapter changes '${module}', which the base model does not have.`,
      );
    for (const [side, got, expected] of [
      ['A', a.shape, [adapter.rank, columns]],
      ['B', b.shape, [rows, adapter.rank]],
    ] as const)
      if (got.join() !== expected.join())
        throw new AdapterError(
          `The adapter's lora_${side} of '${module}' has shape [${got.join(', ')}], the base model needs [${expected.join(', ')}].`,
        );
  }
}

const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';

/** The folder is complete once it holds adapter_config.json, which is written last. */
export async function writePeftAdapter(
  folder: string,
  adapter: Adapter,
  baseModel: string,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeSafetensors(
    join(folder, WEIGHTS),
    [...adapter.tensors].map(([name, { shape, data }]): SafetensorsSource => {
      return { name, shape, dtype: 'F32', bytes: async () => bytesOf(data) };
    }),
  );
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: adapter.rank,
    lora_alpha: adapter.alpha,
    use_rslora: adapter.rankStabilized,
    target_modules: adapter.targets,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
    use_dora: false,
  };
  await writeTextAtomically(join(folder, CONFIG), `${JSON.stringify(config, null, 2)}\n`);
}

/** Also returns the name that the folder gives its base model. */
export async function readPeftAdapter(
  folder: string,
): Promise<Adapter & { readonly baseModel: string | null }> {
  const path = join(folder, CONFIG);
  if (!existsSync(path))
    throw new AdapterError(`${folder} holds no ${CONFIG}: it is not a PEFT adapter folder.`);
  const config = parseConfig(path, await readFile(path, 'utf8'));
  const file = await openSafetensors(join(folder, WEIGHTS));
  try {
    const tensors = new Map<string, AdapterTensor>();
    for (const [name, { shape }] of file.entries) {
      parseName(name);
      tensors.set(name, { shape, data: await file.tensor(name) });
    }
    return { ...config, ...complete(folder, config.rank, tensors) };
  } finally {
    await file.close();
  }
}

/** Checks that the matrices come in pairs of one rank, and finds the targets. */
function complete(path: string, rank: number, tensors: ReadonlyMap<string, AdapterTensor>) {
  if (tensors.size === 0) throw new AdapterError(`${path} holds no adapter tensors.`);
  const targets = new Set<string>();
  for (const [name, { shape }] of tensors) {
    const [module, side] = parseName(name);
    if (!tensors.has(peftName(module, side === 'A' ? 'B' : 'A')))
      throw new AdapterError(`${path}: tensor '${name}' has no counterpart.`);
    const found = side === 'A' ? shape[0] : shape[1];
    if (shape.length !== 2 || found !== rank)
      throw new AdapterError(
        `${path}: tensor '${name}' has shape [${shape.join(', ')}], expected rank ${rank}.`,
      );
    targets.add(module.split('.').at(-1)!);
  }
  return { targets: [...targets], tensors };
}

const PeftConfig = z.looseObject({
  peft_type: z.string(),
  r: z.int().min(1),
  lora_alpha: z.number(),
  use_rslora: z.boolean().nullish(),
  base_model_name_or_path: z.string().nullish(),
});

/** Keys that do not change what the finished adapter computes. */
const WITHOUT_EFFECT = new Set([
  ...Object.keys(PeftConfig.shape),
  ...['auto_mapping', 'ensure_weight_tying', 'exclude_modules', 'inference_mode', 'layers_pattern'],
  ...['layers_to_transform', 'lora_dropout', 'megatron_core', 'peft_version', 'revision'],
  ...['qalora_group_size', 'target_modules'], // target_modules: the tensors say it themselves
]);
/** Values under which a key of PEFT's means nothing. */
const PLAIN: Readonly<Record<string, readonly unknown[]>> = {
  bias: ['none'],
  task_type: ['CAUSAL_LM'],
  // Others, such as pissa, start from a changed base model, which the adapter then needs.
  init_lora_weights: [true, 'gaussian', 'eva', 'orthogonal'],
};

function parseConfig(path: string, text: string) {
  const data = parseJson(PeftConfig, text, path);
  if (data.peft_type !== 'LORA')
    throw new AdapterError(
      `${path}: peft_type ${data.peft_type} is not supported; supported is LORA.`,
    );
  for (const [key, value] of Object.entries(data))
    if (!WITHOUT_EFFECT.has(key) && !isEmpty(value) && !PLAIN[key]?.includes(value))
      throw new AdapterError(`${path}: ${key} ${JSON.stringify(value)} is not supported.`);
  return {
    rank: data.r,
    alpha: data.lora_alpha,
    rankStabilized: data.use_rslora ?? false,
    baseModel: data.base_model_name_or_path ?? null,
  };
}

const isEmpty = (value: unknown) =>
  value === null ||
  value === false ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** Marks adapters whose alpha was folded, so that reading gives back what was written. */
const RANK_STABILIZED = 'tunery.adapter.rank_stabilized';

/** llama.cpp scales by alpha/rank and knows no rsLoRA, so alpha carries its factor √rank. */
export async function writeGgufAdapter(
  path: string,
  adapter: Adapter,
  config: ModelConfig,
): Promise<void> {
  checkAdapterFits(adapter, config);
  const fields = new Map<string, GgufField>([
    ['general.architecture', { type: 'string', value: config.architecture }],
    ['general.type', { type: 'string', value: 'adapter' }],
    ['general.name', { type: 'string', value: basename(path, '.gguf') }],
    ['general.file_type', { type: 'u32', value: 0 }],
    ['adapter.type', { type: 'string', value: 'lora' }],
    ['adapter.lora.alpha', { type: 'f32', value: adapterScale(adapter) * adapter.rank }],
    [RANK_STABILIZED, { type: 'bool', value: adapter.rankStabilized }],
  ]);
  const tensors: GgufTensorSource[] = [];
  for (const [name, { shape, data }] of adapter.tensors) {
    const [module, side] = parseName(name);
    const rotary = side === 'B' && isRotary(module);
    const ordered = rotary ? reorderRotaryRows(data, shape[0]!, config.headDim, 'gguf') : data;
    tensors.push({
      name: `${toGguf(`${module}.weight`)}.lora_${side.toLowerCase()}`,
      shape,
      type: 'F32',
      bytes: async () => bytesOf(ordered),
    });
  }
  await writeGguf(path, fields, tensors);
}

/** `headDim` of the base model: the file does not say it. */
export async function readGgufAdapter(path: string, headDim: number): Promise<Adapter> {
  const file = await openGguf(path);
  try {
    const type = [file.metadata.get('general.type'), file.metadata.get('adapter.type')].join('/');
    const alpha = file.metadata.get('adapter.lora.alpha');
    if (type !== 'adapter/lora' || typeof alpha !== 'number')
      throw new AdapterError(`${path} is a GGUF file, but not a LoRA adapter.`);
    const tensors = new Map<string, AdapterTensor>();
    for (const name of file.tensors.keys()) tensors.set(...(await readPair(file, name, headDim)));
    const rank = [...tensors].find(([name]) => name.endsWith('.lora_A.weight'))?.[1].shape[0] ?? 0;
    const rankStabilized = file.metadata.get(RANK_STABILIZED) === true;
    const folded = rankStabilized ? Math.sqrt(rank) : 1;
    return {
      rank,
      alpha: Number((alpha / folded).toPrecision(7)), // alpha is a 32-bit float in the file
      rankStabilized,
      ...complete(path, rank, tensors),
    };
  } finally {
    await file.close();
  }
}

async function readPair(
  file: GgufFile,
  name: string,
  headDim: number,
): Promise<[name: string, tensor: AdapterTensor]> {
  const [, weight, side] = /^(.+\.weight)\.lora_([ab])$/.exec(name) ?? [];
  const module = weight && toHuggingFace(weight)?.replace(/\.weight$/, '');
  const entry = file.tensors.get(name);
  if (!module || !side || !entry)
    throw new AdapterError(`${file.path}: tensor '${name}' has no place in a llama adapter.`);
  const data = dequantize(entry.type, await file.bytes(name));
  const rotary = side === 'b' && isRotary(module);
  return [
    peftName(module, side === 'a' ? 'A' : 'B'),
    {
      shape: entry.shape,
      data: rotary ? reorderRotaryRows(data, entry.shape[0]!, headDim, 'hugging-face') : data,
    },
  ];
}

export const bytesOf = (values: Float32Array) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
