// The llama family (arXiv:2302.13971, with grouped key/value heads): pre-norm blocks of rotary attention
// and a gated feed-forward layer. Says what a block computes; where it runs is the trainer's business.
import { attentionPiece } from '../nn/attention.ts';
import { Linears, type LoraPlan } from '../nn/lora.ts';
import type { Piece } from '../nn/piece.ts';
import { add, input, mul, rmsNorm, rope, silu } from '../tensor/graph.ts';
import type { ModelConfig } from '../weights/config.ts';
import type { Family } from './registry.ts';

const MODULES: Readonly<Record<string, string>> = {
  q_proj: 'self_attn',
  k_proj: 'self_attn',
  v_proj: 'self_attn',
  o_proj: 'self_attn',
  gate_proj: 'mlp',
  up_proj: 'mlp',
  down_proj: 'mlp',
};

export const llama: Family = {
  linears: (config) => {
    const { hiddenSize: hidden, intermediateSize: inner } = config;
    const [queries, keys] = [config.heads * config.headDim, config.kvHeads * config.headDim];
    return new Map([
      ['q_proj', [queries, hidden]],
      ['k_proj', [keys, hidden]],
      ['v_proj', [keys, hidden]],
      ['o_proj', [hidden, queries]],
      ['gate_proj', [inner, hidden]],
      ['up_proj', [inner, hidden]],
      ['down_proj', [hidden, inner]],
    ]);
  },
  vectors: ['input_layernorm', 'post_attention_layernorm'],
  module: (layer, name) =>
    ['model.layers', layer, ...(MODULES[name] ? [MODULES[name]] : []), name].join('.'),
  block: (config, plan) => ({
    before: beforeAttention(config, plan),
    attention: attentionPiece(config),
    after: afterAttention(config, plan),
  }),
};

/** x [N, hidden] → q, k, v, turned by position; x passes through to the residual. */
function beforeAttention(config: ModelConfig, plan: LoraPlan): Piece {
  const { hiddenSize, heads, kvHeads, headDim, rmsNormEps } = config;
  const linears = new Linears(plan);
  const x = input('x', ['N', hiddenSize]);
  const normed = rmsNorm(x, input('input_layernorm', [hiddenSize]), rmsNormEps);
  const positions = input('positions', ['N'], 'i64');
  const cos = input('cos', ['P', headDim / 2]);
  const sin = input('sin', ['P', headDim / 2]);
  const project = (name: string, count: number) =>
    linears.apply(name, normed, hiddenSize, count * headDim);
  const q = rope(project('q_proj', heads), positions, cos, sin);
  const k = rope(project('k_proj', kvHeads), positions, cos, sin);
  const v = project('v_proj', kvHeads);
  const { parameters, kept } = linears;
  return { inputs: { x }, outputs: { q, k, v, x }, kept, parameters };
}

/** x, o [N, heads·D] → y: the output projection, both residuals and the feed-forward layer. */
function afterAttention(config: ModelConfig, plan: LoraPlan): Piece {
  const { hiddenSize: hidden, intermediateSize: inner, heads, headDim, rmsNormEps } = config;
  const linears = new Linears(plan);
  const x = input('x', ['N', hidden]);
  const o = input('o', ['N', heads * headDim]);
  const h = add(x, linears.apply('o_proj', o, heads * headDim, hidden));
  const normed = rmsNorm(h, input('post_attention_layernorm', [hidden]), rmsNormEps);
  const gate = linears.apply('gate_proj', normed, hidden, inner);
  const up = linears.apply('up_proj', normed, hidden, inner);
  const open = silu(gate);
  const product = mul(open, up);
  const y = add(h, linears.apply('down_proj', product, inner, hidden));
  const { parameters, kept } = linears;
  // Passes over [N, inner] are bound by memory: reading a kept value is quicker than computing it again.
  const values = { ...kept, h, gate, up, open, product };
  return { inputs: { x, o }, outputs: { y }, kept: values, parameters };
}
