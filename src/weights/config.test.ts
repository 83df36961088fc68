import { expect, test } from 'vitest';
import { configFromGguf, configFromHuggingFace } from './config.ts';

const json = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 64,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 48,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};

test('the older and the present form of rope say the same', () => {
  const scaling = {
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
  };
  const older = configFromHuggingFace({
    ...json,
    rope_theta: 500_000,
    rope_scaling: { ...scaling, type: 'llama3' },
  });
  const present = configFromHuggingFace({
    ...json,
    rope_parameters: { ...scaling, rope_type: 'llama3', rope_theta: 500_000 },
  });
  expect(older).toEqual(present);
  expect(older.ropeTheta).toBe(500_000);
  // The shortest wave is left alone, the longest stretched by the whole factor.
  expect(older.ropeScaling?.factors).toHaveLength(4);
  expect(older.ropeScaling?.factors[0]).toBe(1);
  expect(older.ropeScaling?.factors.at(-1)).toBe(8);
});

test('what config.json leaves out has the defaults of transformers', () => {
  expect(configFromHuggingFace({ ...json, num_key_value_heads: null })).toMatchObject({
    kvHeads: 4,
    headDim: 8,
    ropeTheta: 10_000,
    ropeScaling: null,
  });
});

test.each([
  [{ model_type: 'qwen3' }, "Architecture 'qwen3' is not supported; supported are llama"],
  [{ attention_bias: true }, 'attention_bias true is not supported; supported is false'],
  [{ mlp_bias: true }, 'mlp_bias true is not supported'],
  [{ hidden_act: 'gelu' }, 'hidden_act "gelu" is not supported; supported is silu'],
  [{ rope_scaling: { rope_type: 'yarn', factor: 4 } }, "rope scaling 'yarn' is not supported"],
  [{ architectures: ['LlamaForSequenceClassification'] }, 'architectures'],
  [{ quantization_config: { bits: 4 } }, 'quantization_config'],
  [{ num_key_value_heads: 3 }, '4 heads cannot share 3 key/value heads'],
  [{ hidden_size: 'big' }, 'hidden_size: '],
])('%o in config.json is refused by name', (change, message) => {
  expect(() => configFromHuggingFace({ ...json, ...change })).toThrow(message);
});

const metadata = {
  'general.architecture': 'llama',
  'llama.embedding_length': 32,
  'llama.block_count': 2,
  'llama.feed_forward_length': 48,
  'llama.attention.head_count': 4,
  'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
  'llama.context_length': 128,
};

test('GGUF metadata gives the same description', () => {
  const config = configFromGguf(new Map(Object.entries(metadata)), { vocabSize: 64, tied: true });
  expect(config).toEqual(configFromHuggingFace({ ...json, num_key_value_heads: 4 }));
});

test.each([
  [{ 'general.architecture': 'gemma3' }, "Architecture 'gemma3' is not supported"],
  [{ 'general.type': 'adapter' }, "holds a model's adapter, not a model"],
  [{ 'llama.expert_count': 8 }, 'llama.expert_count'],
  [{ 'llama.rope.scaling.type': 'yarn' }, "llama.rope.scaling.type 'yarn'"],
  [{ 'llama.rope.dimension_count': 4 }, 'llama.rope.dimension_count 4'],
  [{ 'llama.block_count': 'two' }, 'llama.block_count must be a number'],
])('%o in GGUF metadata is refused by name', (change, message) => {
  const changed = new Map<string, string | number>(Object.entries({ ...metadata, ...change }));
  expect(() => configFromGguf(changed, { vocabSize: 64, tied: true })).toThrow(message);
});
