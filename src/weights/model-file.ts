// A base model as the engine wants it, whatever file it comes from: GGUF or a Hugging Face folder.
// Tensors carry Hugging Face names and row order and come as 32-bit floats, one at a time.
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { configFromGguf, configFromHuggingFace, type ModelConfig } from './config.ts';
import {
  type GgufFile,
  type GgufMetadata,
  type GgufTensor,
  type GgufValue,
  openGguf,
  type TensorType,
} from './gguf.ts';
import { isRotary, reorderRotaryRows, tensorShapes, toGguf, toHuggingFace } from './names.ts';
import { AnyObject, parseJson } from './parse-json.ts';
import { dequantize } from './quantize.ts';
import { openSafetensors, openShards, type Safetensors } from './safetensors.ts';
import { voiceOf } from './voice.ts';

export type ModelFile = {
  readonly path: string;
  readonly kind: 'gguf' | 'hugging-face';
  readonly config: ModelConfig;
  /** GGUF keys and values; of a folder: the files of the tokenizer under the keys GGUF has for them. */
  readonly metadata: GgufMetadata;
  /** Hugging Face names of all weights; a tied `lm_head` is not listed. */
  readonly tensorNames: readonly string[];
  readonly parameterCount: number;
  readonly chatTemplate: string | null;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly tokenizer: () => Promise<Tokenizer>;
  readonly shape: (name: string) => readonly number[];
  readonly tensor: (name: string) => Promise<Float32Array>;
  /** Type and bytes as they are in the file, in the file's row order. */
  readonly storedType: (name: string) => TensorType;
  readonly storedBytes: (name: string) => Promise<Uint8Array>;
  readonly close: () => Promise<void>;
};

/** Opens `path` and checks that every weight the architecture needs is there, in its shape. */
export async function openModel(path: string): Promise<ModelFile> {
  if (!existsSync(path)) throw new ModelFileError(`No model at ${path}.`);
  return statSync(path).isDirectory() ? openFolder(path) : openGgufModel(path);
}

export class ModelFileError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('invalid_model', message, { cause });
  }
}

async function openGgufModel(path: string): Promise<ModelFile> {
  const file = await openGguf(path);
  try {
    const config = await ggufConfig(file);
    const found = new Map<string, readonly number[]>();
    for (const { name, shape } of file.tensors.values()) {
      if (name === ROPE_FACTORS) continue;
      const huggingFace = toHuggingFace(name);
      if (!huggingFace)
        throw new ModelFileError(`${path}: tensor '${name}' has no place in a llama model.`);
      found.set(huggingFace, shape);
    }
    return {
      path,
      kind: 'gguf',
      ...describe(path, config, found),
      metadata: file.metadata,
      ...voiceOf(file.metadata),
      tokenizer: async () =>
        (await tokenizerModule()).tokenizerFromGguf(Object.fromEntries(file.metadata)),
      tensor: (name) => ggufTensor(file, config, name),
      storedType: (name) => ggufEntry(file, name).type,
      storedBytes: (name) => file.bytes(ggufEntry(file, name).name),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Loaded when asked for: reading weights needs no tokenizer. */
const tokenizerModule = () => import('../tokenizer/tokenizer.ts');

const ROPE_FACTORS = 'rope_freqs.weight';

async function ggufConfig(file: GgufFile): Promise<ModelConfig> {
  const embedding = file.tensors.get('token_embd.weight');
  const ropeFactors = file.tensors.has(ROPE_FACTORS) && {
    ropeFactors: [...dequantize('F32', await file.bytes(ROPE_FACTORS))],
  };
  return configFromGguf(file.metadata, {
    vocabSize: embedding?.shape[0] ?? 0,
    tied: !file.tensors.has('output.weight'),
    ...ropeFactors,
  });
}

async function ggufTensor(file: GgufFile, config: ModelConfig, name: string) {
  const entry = ggufEntry(file, name);
  const values = dequantize(entry.type, await file.bytes(entry.name));
  if (!isRotary(name)) return values;
  return reorderRotaryRows(values, entry.shape[0]!, config.headDim, 'hugging-face');
}

function ggufEntry(file: GgufFile, name: string): GgufTensor {
  const entry = file.tensors.get(toGguf(name) ?? name);
  if (!entry) throw new ModelFileError(`${file.path} has no tensor '${name}'.`);
  return entry;
}

async function openFolder(path: string): Promise<ModelFile> {
  const json = await readJson(join(path, 'config.json'));
  if (json === null) throw new ModelFileError(say('refusal.no_model_folder', { path }));
  const config = configFromHuggingFace(json);
  const weights = await openWeights(path);
  try {
    const found = new Map([...weights.entries].map(([name, { shape }]) => [name, shape]));
    // Some exports store the tied head again; it is the embedding.
    if (config.tiedEmbeddings) found.delete('lm_head.weight');
    const texts = await tokenizerTexts(path);
    const tokenizerJson = texts.metadata.get('tokenizer.huggingface.json');
    return {
      path,
      kind: 'hugging-face',
      ...describe(path, config, found),
      ...texts,
      tokenizer: async () => {
        if (typeof tokenizerJson !== 'string')
          throw new ModelFileError(`${path} holds no tokenizer.json.`);
        const { tokenizerFromJson } = await tokenizerModule();
        return tokenizerFromJson(
          parseJson(AnyObject, tokenizerJson, `${path}: tokenizer.json`),
          texts.tokenizerConfig,
        );
      },
      tensor: (name) => weights.tensor(name),
      storedType: (name) => weights.entries.get(name)?.dtype ?? missing(path, name),
      storedBytes: async (name) => (await weights.bytes(name)).bytes,
      close: () => weights.close(),
    };
  } catch (error) {
    await weights.close();
    throw error;
  }
}

async function openWeights(path: string): Promise<Safetensors> {
  const index = join(path, 'model.safetensors.index.json');
  if (existsSync(index)) return openShards(index);
  const single = join(path, 'model.safetensors');
  if (existsSync(single)) return openSafetensors(single);
  throw new ModelFileError(
    `${path} holds neither model.safetensors nor model.safetensors.index.json.`,
  );
}

async function tokenizerTexts(path: string) {
  const metadata = new Map<string, GgufValue>([['general.architecture', 'llama']]);
  const tokenizer = join(path, 'tokenizer.json');
  if (existsSync(tokenizer))
    metadata.set('tokenizer.huggingface.json', await readFile(tokenizer, 'utf8'));
  const tokenizerConfig = (await readJson(join(path, 'tokenizer_config.json'))) ?? {};
  const separate = join(path, 'chat_template.jinja');
  const chatTemplate = existsSync(separate)
    ? await readFile(separate, 'utf8')
    : textOrNull(tokenizerConfig['chat_template']);
  if (chatTemplate !== null) metadata.set('tokenizer.chat_template', chatTemplate);
  const token = (key: string) => {
    const value = tokenizerConfig[key];
    return textOrNull(typeof value === 'object' && value ? Object(value).content : value);
  };
  const [bosToken, eosToken] = [token('bos_token'), token('eos_token')];
  return { metadata: metadata as GgufMetadata, tokenizerConfig, chatTemplate, bosToken, eosToken };
}

/** Compares what the file holds with what the configuration asks for. */
function describe(
  path: string,
  config: ModelConfig,
  found: ReadonlyMap<string, readonly number[]>,
): Pick<ModelFile, 'config' | 'tensorNames' | 'parameterCount' | 'shape'> {
  const expected = tensorShapes(config);
  let parameterCount = 0;
  for (const [name, shape] of expected) {
    const got = found.get(name);
    if (!got) throw new ModelFileError(`${path} lacks tensor '${name}'.`);
    if (got.join() !== shape.join())
      throw new ModelFileError(
        `${path}: tensor '${name}' has shape [${got.join(', ')}], expected [${shape.join(', ')}].`,
      );
    parameterCount += shape.reduce((product, n) => product * n, 1);
  }
  // Old exports hold the rotary frequencies, which follow from the configuration.
  for (const name of found.keys())
    if (!expected.has(name) && !name.endsWith('.rotary_emb.inv_freq'))
      throw new ModelFileError(`${path}: tensor '${name}' has no place in a llama model.`);
  const shape = (name: string) => {
    const known = expected.get(name);
    if (!known) throw new ModelFileError(`${path} has no tensor '${name}'.`);
    return known;
  };
  return { config, tensorNames: [...expected.keys()], parameterCount, shape };
}

function missing(path: string, name: string): never {
  throw new ModelFileError(`${path} has no tensor '${name}'.`);
}

const textOrNull = (value: unknown) => (typeof value === 'string' ? value : null);

async function readJson(path: string): Promise<Record<string, unknown> | null> {
  if (!existsSync(path)) return null;
  return parseJson(AnyObject, await readFile(path, 'utf8'), path);
}
