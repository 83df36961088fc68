// Tensor names of the llama family: GGUF ↔ Hugging Face. One map, read in both directions.
// Also the row order of query and key: GGUF interleaves the two halves of a rotary pair, Hugging
// Face keeps them apart (llama.cpp, conversion: LlamaModel.permute).

const FIXED: readonly (readonly [gguf: string, huggingFace: string])[] = [
  ['token_embd.weight', 'model.embed_tokens.weight'],
  ['output_norm.weight', 'model.norm.weight'],
  ['output.weight', 'lm_head.weight'],
];
const PER_LAYER: readonly (readonly [gguf: string, huggingFace: string])[] = [
  ['attn_norm', 'input_layernorm'],
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
];

/** `blk.3.attn_q.weight` → `model.layers.3.self_attn.q_proj.weight`; undefined: no such tensor. */
export function toHuggingFace(gguf: string): string | undefined {
  const fixed = FIXED.find(([name]) => name === gguf);
  if (fixed) return fixed[1];
  const [, layer, part] = /^blk\.(\d+)\.(\w+)\.weight$/.exec(gguf) ?? [];
  const entry = PER_LAYER.find(([name]) => name === part);
  return entry && `model.layers.${layer}.${entry[1]}.weight`;
}

/** The inverse of `toHuggingFace`. */
export function toGguf(huggingFace: string): string | undefined {
  const fixed = FIXED.find(([, name]) => name === huggingFace);
  if (fixed) return fixed[0];
  const [, layer, part] = /^model\.layers\.(\d+)\.([\w.]+)\.weight$/.exec(huggingFace) ?? [];
  const entry = PER_LAYER.find(([, name]) => name === part);
  return entry && `blk.${layer}.${entry[0]}.weight`;
}

/** Names a llama model must have, in file order; `lm_head` only where it is not the embedding. */
export function tensorShapes(config: {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly tiedEmbeddings: boolean;
}): ReadonlyMap<string, readonly number[]> {
  const { vocabSize, hiddenSize, heads, kvHeads, headDim, intermediateSize } = config;
  const shapes = new Map<string, readonly number[]>();
  shapes.set('model.embed_tokens.weight', [vocabSize, hiddenSize]);
  for (let layer = 0; layer < config.layers; layer++) {
    const set = (part: string, ...shape: number[]) =>
      shapes.set(`model.layers.${layer}.${part}.weight`, shape);
    set('input_layernorm', hiddenSize);
    set('self_attn.q_proj', heads * headDim, hiddenSize);
    set('self_attn.k_proj', kvHeads * headDim, hiddenSize);
    set('self_attn.v_proj', kvHeads * headDim, hiddenSize);
    set('self_attn.o_proj', hiddenSize, heads * headDim);
    set('post_attention_layernorm', hiddenSize);
    set('mlp.gate_proj', intermediateSize, hiddenSize);
    set('mlp.up_proj', intermediateSize, hiddenSize);
    set('mlp.down_proj', hiddenSize, intermediateSize);
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (!config.tiedEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize]);
  return shapes;
}

/** Whether the rows of this tensor are in another order in a GGUF file. */
export const isRotary = (huggingFace: string) => /\.self_attn\.[qk]_proj\b/.test(huggingFace);

type RowOrder = 'gguf' | 'hugging-face';
/** Reorders the rows of a query or key matrix [heads·headDim, …] into the order `to`; a matrix
 *  may come as numbers or as bytes. */
export function reorderRotaryRows<T extends Float32Array | Uint8Array>(
  values: T,
  rows: number,
  headDim: number,
  to: RowOrder,
): T {
  const columns = values.length / rows;
  const half = headDim / 2;
  const out = values.slice() as T;
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim;
    const apart = row - inHead + (inHead & 1) * half + (inHead >> 1);
    const [from, into] = to === 'gguf' ? [apart, row] : [row, apart];
    out.set(values.subarray(from * columns, (from + 1) * columns), into * columns);
  }
  return out;
}
