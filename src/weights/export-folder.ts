// Writes a model as the Hugging Face folder that transformers loads: weights as 32-bit floats,
// configuration, tokenizer with chat template, generation settings.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf } from './adapter.ts';
import { writeTextAtomically } from './atomic-write.ts';
import { llama3Factors, type ModelConfig, UnsupportedModelError } from './config.ts';
import type { GgufMetadata } from './gguf.ts';
import type { ModelFile } from './model-file.ts';
import { type SafetensorsSource, writeSafetensors } from './safetensors.ts';
import { tokenizerJson } from './tokenizer-json.ts';

/** `weight` gives each tensor, by its Hugging Face name; they are asked for one at a time. */
export async function exportFolder(
  folder: string,
  model: ModelFile,
  weight: (name: string) => Promise<Float32Array>,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tokens = await specialTokens(model);
  const json = (name: string, value: unknown) =>
    writeTextAtomically(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    model.tensorNames.map((name): SafetensorsSource => {
      const bytes = async () => bytesOf(await weight(name));
      return { name, shape: model.shape(name), dtype: 'F32', bytes };
    }),
  );
  await json('config.json', configJson(model.config, tokens));
  await json('generation_config.json', idsOf(tokens));
  await writeTextAtomically(join(folder, 'tokenizer.json'), tokenizerJson(model.metadata));
  await json('tokenizer_config.json', tokenizerConfig(model, tokens));
}

type SpecialToken = { readonly id: number; readonly text: string };
type SpecialTokens = {
  readonly bos: SpecialToken | null;
  readonly eos: SpecialToken | null;
  readonly stopIds: readonly number[];
  readonly pad: SpecialToken | null;
  readonly unknown: SpecialToken | null;
  readonly addBos: boolean;
};

async function specialTokens(model: ModelFile): Promise<SpecialTokens> {
  const tokenizer = await model.tokenizer();
  const named = (id: number | null, text: string | null) =>
    id === null || text === null ? null : { id, text };
  return {
    bos: named(tokenizer.bosId, model.bosToken),
    eos: named(tokenizer.eosId, model.eosToken),
    stopIds: tokenizer.stopIds,
    pad: fromMetadata(model.metadata, 'padding_token_id'),
    unknown: fromMetadata(model.metadata, 'unknown_token_id'),
    addBos: tokenizer.addBos,
  };
}

function fromMetadata(metadata: GgufMetadata, key: string): SpecialToken | null {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const id = metadata.get(`tokenizer.ggml.${key}`);
  const text = Array.isArray(tokens) && typeof id === 'number' ? tokens[id] : undefined;
  return typeof id === 'number' && typeof text === 'string' ? { id, text } : null;
}

/** Rope in the older form: present transformers read both, earlier ones only this. */
function configJson(config: ModelConfig, tokens: SpecialTokens): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: config.architecture,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: 'silu',
    max_position_embeddings: config.contextLength,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeScalingJson(config),
    tie_word_embeddings: config.tiedEmbeddings,
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: 'float32',
    ...idsOf(tokens),
  };
}

function ropeScalingJson({ ropeScaling, ropeTheta, headDim }: ModelConfig): object | null {
  if (ropeScaling === null || ropeScaling.source) return ropeScaling?.source ?? null;
  // A GGUF file holds the factors only; every Llama 3 made them from these settings.
  const source = {
    rope_type: 'llama3',
    factor: Math.max(...ropeScaling.factors),
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  } as const;
  const expected = llama3Factors(source, ropeTheta, headDim);
  const same = expected.every((x, i) => Math.abs(x / ropeScaling.factors[i]! - 1) < 1e-4);
  if (same) return source;
  throw new UnsupportedModelError(
    'The rope factors of this GGUF file (rope_freqs.weight) are not those of a Llama 3 model; they cannot be written into config.json.',
  );
}

function idsOf({ bos, eos, stopIds, pad }: SpecialTokens): object {
  // Generation must stop where Tunery's own serving stops.
  const ends = stopIds.length > 1 ? stopIds : eos?.id;
  return {
    ...(bos && { bos_token_id: bos.id }),
    ...(ends !== undefined && { eos_token_id: ends }),
    ...(pad && { pad_token_id: pad.id }),
  };
}

function tokenizerConfig(model: ModelFile, tokens: SpecialTokens): object {
  return {
    // Takes tokenizer.json as it is; model-specific classes rebuild parts of it.
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...(tokens.bos && { bos_token: tokens.bos.text }),
    ...(tokens.eos && { eos_token: tokens.eos.text }),
    ...(tokens.pad && { pad_token: tokens.pad.text }),
    ...(tokens.unknown && { unk_token: tokens.unknown.text }),
    add_bos_token: tokens.addBos,
    add_prefix_space: false,
    clean_up_tokenization_spaces: false,
    model_max_length: model.config.contextLength,
    ...(model.chatTemplate !== null && { chat_template: model.chatTemplate }),
  };
}
