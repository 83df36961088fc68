// One description of a model's shape, read from GGUF metadata or from a Hugging Face config.json.
// What Tunery's llama does not compute is refused here, by name, before any weight is read.
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import type { GgufMetadata } from './gguf.ts';

export type ModelConfig = {
  readonly architecture: 'llama';
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  readonly rmsNormEps: number;
  readonly contextLength: number;
  readonly tiedEmbeddings: boolean;
};

/** Rotary pair i turns at theta^(-2i/headDim) / factors[i]; both known forms come down to this. */
export type RopeScaling = {
  readonly type: 'linear' | 'llama3';
  readonly factors: readonly number[];
  /** As config.json writes it, for export; null where only the factors are known. */
  readonly source: Readonly<Record<string, number | string>> | null;
};

/** Thrown for a model that is well-formed but not one that Tunery can train. */
export class UnsupportedModelError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('unsupported_model', message, { cause });
  }
}

export const SUPPORTED_ARCHITECTURES = ['llama'] as const;

/** `vocabSize` and `tiedEmbeddings` come from the tensors, which cannot be wrong about them. */
export function configFromGguf(
  metadata: GgufMetadata,
  tensors: { readonly vocabSize: number; readonly tied: boolean; readonly ropeFactors?: number[] },
): ModelConfig {
  const architecture = metadata.get('general.architecture');
  if (architecture !== 'llama') throw unsupportedArchitecture(String(architecture));
  const type = metadata.get('general.type');
  if (type !== undefined && type !== 'model')
    throw new UnsupportedModelError(`This GGUF file holds a model's ${type}, not a model.`);
  const optional = (key: string): number | undefined => {
    const value = metadata.get(`llama.${key}`);
    if (value !== undefined && typeof value !== 'number')
      throw new UnsupportedModelError(`llama.${key} must be a number.`);
    return value;
  };
  const required = (key: string): number => {
    const value = optional(key);
    if (value === undefined) throw new UnsupportedModelError(`The GGUF file lacks llama.${key}.`);
    return value;
  };
  if (optional('expert_count'))
    throw new UnsupportedModelError('llama.expert_count: mixtures of experts are not supported.');
  const heads = required('attention.head_count');
  const hiddenSize = required('embedding_length');
  const headDim = optional('attention.key_length') ?? hiddenSize / heads;
  const rotated = optional('rope.dimension_count') ?? headDim;
  if (rotated !== headDim)
    throw new UnsupportedModelError(
      `llama.rope.dimension_count ${rotated}: only rotating the whole head (${headDim}) is supported.`,
    );
  if ((optional('attention.value_length') ?? headDim) !== headDim)
    throw new UnsupportedModelError('llama.attention.value_length differs from key_length.');
  return checked({
    architecture: 'llama',
    vocabSize: tensors.vocabSize,
    hiddenSize,
    layers: required('block_count'),
    heads,
    kvHeads: optional('attention.head_count_kv') ?? heads,
    headDim,
    intermediateSize: required('feed_forward_length'),
    ropeTheta: optional('rope.freq_base') ?? 10_000,
    ropeScaling: ggufRopeScaling(metadata, headDim, tensors.ropeFactors),
    rmsNormEps: roundTo7Digits(required('attention.layer_norm_rms_epsilon')),
    contextLength: required('context_length'),
    tiedEmbeddings: tensors.tied,
  });
}

function ggufRopeScaling(
  metadata: GgufMetadata,
  headDim: number,
  factors: number[] | undefined,
): RopeScaling | null {
  if (factors) return { type: 'llama3', factors, source: null };
  const type = metadata.get('llama.rope.scaling.type') ?? 'none';
  if (type === 'none') return null;
  const factor = metadata.get('llama.rope.scaling.factor');
  if (type !== 'linear' || typeof factor !== 'number')
    throw new UnsupportedModelError(
      `llama.rope.scaling.type '${type}' is not supported; supported are none, linear and llama3.`,
    );
  return linearScaling(factor, headDim);
}

/** GGUF keeps 32-bit floats: 1e-5 comes back as 9.999999747378752e-6. */
const roundTo7Digits = (value: number) => Number(value.toPrecision(7));

const HuggingFaceConfig = z.object({
  architectures: z.array(z.string()).optional(),
  model_type: z.string().optional(),
  vocab_size: z.int().positive(),
  hidden_size: z.int().positive(),
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().nullish(),
  head_dim: z.int().positive().nullish(),
  intermediate_size: z.int().positive(),
  max_position_embeddings: z.int().positive().default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: z.record(z.string(), z.unknown()).nullish(),
  rope_parameters: z.record(z.string(), z.unknown()).nullish(),
  partial_rotary_factor: z.number().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  hidden_act: z.string().default('silu'),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  quantization_config: z.unknown().optional(),
});

/** Both the present form (`rope_parameters`) and the older one (`rope_theta`, `rope_scaling`). */
export function configFromHuggingFace(json: unknown): ModelConfig {
  const kind = z.looseObject({ model_type: z.string().optional() }).parse(json).model_type;
  if (kind !== 'llama') throw unsupportedArchitecture(kind ?? 'unknown');
  const parsed = HuggingFaceConfig.safeParse(json);
  if (!parsed.success)
    throw new UnsupportedModelError(
      `config.json: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
    );
  const config = parsed.data;
  const refuse = (field: string, value: unknown, supported: string) => {
    throw new UnsupportedModelError(
      `config.json: ${field} ${JSON.stringify(value)} is not supported; supported is ${supported}.`,
    );
  };
  const [architecture] = config.architectures ?? [];
  if (architecture !== undefined && architecture !== 'LlamaForCausalLM')
    refuse('architectures', architecture, 'LlamaForCausalLM');
  if (config.attention_bias) refuse('attention_bias', true, 'false');
  if (config.mlp_bias) refuse('mlp_bias', true, 'false');
  if (config.hidden_act !== 'silu') refuse('hidden_act', config.hidden_act, 'silu');
  if (config.quantization_config) refuse('quantization_config', config.quantization_config, 'none');
  if ((config.partial_rotary_factor ?? 1) !== 1)
    refuse('partial_rotary_factor', config.partial_rotary_factor, '1');
  const heads = config.num_attention_heads;
  const headDim = config.head_dim ?? config.hidden_size / heads;
  const rope = ropeOf(config.rope_parameters ?? config.rope_scaling ?? {});
  const ropeTheta = rope.rope_theta ?? config.rope_theta ?? 10_000;
  return checked({
    architecture: 'llama',
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    layers: config.num_hidden_layers,
    heads,
    kvHeads: config.num_key_value_heads ?? heads,
    headDim,
    intermediateSize: config.intermediate_size,
    ropeTheta,
    ropeScaling: scalingOf(rope, ropeTheta, headDim),
    rmsNormEps: config.rms_norm_eps,
    contextLength: config.max_position_embeddings,
    tiedEmbeddings: config.tie_word_embeddings,
  });
}

const Rope = z.discriminatedUnion('rope_type', [
  z.object({ rope_type: z.literal('default'), rope_theta: z.number().positive().optional() }),
  z.object({
    rope_type: z.literal('linear'),
    rope_theta: z.number().positive().optional(),
    factor: z.number().positive(),
  }),
  z.object({
    rope_type: z.literal('llama3'),
    rope_theta: z.number().positive().optional(),
    factor: z.number().positive(),
    low_freq_factor: z.number().positive(),
    high_freq_factor: z.number().positive(),
    original_max_position_embeddings: z.int().positive(),
  }),
]);
type Rope = z.infer<typeof Rope>;

function ropeOf(json: Readonly<Record<string, unknown>>): Rope {
  // `type` is what `rope_type` was called before.
  const rope_type = json['rope_type'] ?? json['type'] ?? 'default';
  const parsed = Rope.safeParse({ ...json, rope_type });
  if (parsed.success) return parsed.data;
  throw new UnsupportedModelError(
    `config.json: rope scaling '${rope_type}' is not supported or incomplete; supported are default, linear and llama3.`,
  );
}

function scalingOf(rope: Rope, theta: number, headDim: number): RopeScaling | null {
  if (rope.rope_type === 'default') return null;
  if (rope.rope_type === 'linear') return linearScaling(rope.factor, headDim);
  const { rope_theta: _, ...source } = rope;
  return { type: 'llama3', factors: llama3Factors(rope, theta, headDim), source };
}

function linearScaling(factor: number, headDim: number): RopeScaling {
  const factors = Array.from({ length: headDim / 2 }, () => factor);
  return { type: 'linear', factors, source: { rope_type: 'linear', factor } };
}

/** Long waves are stretched by `factor`, short ones not, with a ramp between (transformers,
 *  modeling_rope_utils.py, _compute_llama3_parameters). */
export function llama3Factors(
  rope: Extract<Rope, { rope_type: 'llama3' }>,
  theta: number,
  headDim: number,
): number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high } = rope;
  const context = rope.original_max_position_embeddings;
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

function unsupportedArchitecture(name: string): UnsupportedModelError {
  return new UnsupportedModelError(
    `Architecture '${name}' is not supported; supported are ${SUPPORTED_ARCHITECTURES.join(', ')}.`,
  );
}

function checked(config: ModelConfig): ModelConfig {
  const { heads, kvHeads, headDim, hiddenSize } = config;
  if (heads % kvHeads !== 0)
    throw new UnsupportedModelError(`${heads} heads cannot share ${kvHeads} key/value heads.`);
  if (!Number.isInteger(headDim / 2))
    throw new UnsupportedModelError(
      `Head size ${headDim} (hidden size ${hiddenSize}, ${heads} heads) is not an even number.`,
    );
  return config;
}
