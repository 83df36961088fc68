// Writes a Hugging Face folder as one GGUF file. Matrices keep their float type; vectors become
// F32, as llama.cpp wants them; rows of query and key are reordered.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { bytesOf } from './adapter.ts';
import type { ModelConfig } from './config.ts';
import { type GgufField, type GgufTensorSource, writeGguf } from './gguf-write.ts';
import { type ModelFile, ModelFileError, openModel } from './model-file.ts';
import { isRotary, reorderRotaryRows, toGguf } from './names.ts';
import { parseJson } from './parse-json.ts';
import { type SpecialTokens, tokenizerMetadata } from './tokenizer-metadata.ts';

/** Returns what was written. Throws for a model or tokenizer that is not supported, by name. */
export async function importFolder(
  source: string,
  output: string,
): Promise<{ readonly parameterCount: number; readonly config: ModelConfig }> {
  const model = await openModel(source);
  try {
    if (model.kind !== 'hugging-face')
      throw new ModelFileError(`${source} is a GGUF file already; nothing to import.`);
    const tensors = tensorSources(model);
    const fields = new Map([
      ...modelFields(model, tensors),
      ...(await tokenizerFields(source, model)),
    ]);
    await writeGguf(output, fields, tensors);
    return { parameterCount: model.parameterCount, config: model.config };
  } finally {
    await model.close();
  }
}

function tensorSources(model: ModelFile): GgufTensorSource[] {
  const { headDim, ropeScaling } = model.config;
  const sources = model.tensorNames.map((name): GgufTensorSource => {
    const shape = model.shape(name);
    const type = shape.length === 1 ? 'F32' : model.storedType(name);
    const bytes = async () => {
      if (shape.length === 1) return bytesOf(await model.tensor(name));
      const stored = await model.storedBytes(name);
      return isRotary(name) ? reorderRotaryRows(stored, shape[0]!, headDim, 'gguf') : stored;
    };
    return { name: toGguf(name)!, shape, type, bytes };
  });
  if (ropeScaling?.type !== 'llama3') return sources;
  const factors = Float32Array.from(ropeScaling.factors);
  const bytes = async () => bytesOf(factors);
  return [{ name: 'rope_freqs.weight', shape: [factors.length], type: 'F32', bytes }, ...sources];
}

function modelFields(model: ModelFile, tensors: readonly GgufTensorSource[]) {
  const { config } = model;
  const types = new Set(tensors.filter(({ shape }) => shape.length > 1).map(({ type }) => type));
  // llama.cpp's LLAMA_FTYPE of the matrices: all F32, mostly F16, mostly BF16.
  const fileType = types.has('BF16') ? 32 : types.has('F16') ? 1 : 0;
  const fields = new Map<string, GgufField>([
    ['general.architecture', { type: 'string', value: config.architecture }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.name', { type: 'string', value: basename(resolve(model.path)) }],
    ['general.file_type', { type: 'u32', value: fileType }],
  ]);
  const u32 = (key: string, value: number) => fields.set(`llama.${key}`, { type: 'u32', value });
  const f32 = (key: string, value: number) => fields.set(`llama.${key}`, { type: 'f32', value });
  u32('vocab_size', config.vocabSize);
  u32('context_length', config.contextLength);
  u32('embedding_length', config.hiddenSize);
  u32('block_count', config.layers);
  u32('feed_forward_length', config.intermediateSize);
  u32('attention.head_count', config.heads);
  u32('attention.head_count_kv', config.kvHeads);
  u32('attention.key_length', config.headDim);
  u32('attention.value_length', config.headDim);
  f32('attention.layer_norm_rms_epsilon', config.rmsNormEps);
  u32('rope.dimension_count', config.headDim);
  f32('rope.freq_base', config.ropeTheta);
  if (config.ropeScaling?.type === 'linear') {
    fields.set('llama.rope.scaling.type', { type: 'string', value: 'linear' });
    f32('rope.scaling.factor', config.ropeScaling.factors[0]!);
  }
  return fields;
}

async function tokenizerFields(source: string, model: ModelFile) {
  const json = model.metadata.get('tokenizer.huggingface.json');
  if (typeof json !== 'string')
    throw new ModelFileError(
      `${source} holds no tokenizer.json; tokenizers in other formats are not supported.`,
    );
  const fields = tokenizerMetadata(json, model.config.vocabSize, await specialTokens(source, json));
  if (model.chatTemplate !== null)
    fields.set('tokenizer.chat_template', { type: 'string', value: model.chatTemplate });
  return fields;
}

const Token = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const TokenizerConfig = z.looseObject({
  bos_token: Token,
  eos_token: Token,
  pad_token: Token,
  add_bos_token: z.boolean().nullish(),
});
const Ids = z.looseObject({
  bos_token_id: z.int().nullish(),
  eos_token_id: z.union([z.int(), z.array(z.int())]).nullish(),
});

const Vocabulary = z.looseObject({
  model: z.looseObject({ vocab: z.record(z.string(), z.int()) }),
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string() })).default([]),
});

/** tokenizer_config.json decides; what it leaves open, config.json says by id. */
async function specialTokens(folder: string, tokenizerJson: string): Promise<SpecialTokens> {
  const read = async <T>(name: string, schema: z.ZodType<T>): Promise<T> => {
    const path = join(folder, name);
    return parseJson(schema, existsSync(path) ? await readFile(path, 'utf8') : '{}', path);
  };
  const named = await read('tokenizer_config.json', TokenizerConfig);
  const ids = await read('config.json', Ids);
  const text = (token: z.infer<typeof Token>) =>
    typeof token === 'object' && token !== null ? token.content : (token ?? null);
  const byId = (id: number | number[] | null | undefined) => {
    const wanted = Array.isArray(id) ? id[0] : id;
    const { model, added_tokens: added } = parseJson(Vocabulary, tokenizerJson, 'tokenizer.json');
    const extra = added.find((token) => token.id === wanted)?.content;
    return extra ?? Object.keys(model.vocab).find((key) => model.vocab[key] === wanted) ?? null;
  };
  return {
    bos: text(named.bos_token) ?? byId(ids.bos_token_id),
    eos: text(named.eos_token) ?? byId(ids.eos_token_id),
    pad: text(named.pad_token),
    addBos: named.add_bos_token ?? null,
  };
}
