// Causal attention of rows that do not see each other.
import { attention, type HeadShape, input } from '../tensor/graph.ts';
import { times } from '../tensor/shape.ts';
import type { Piece } from './piece.ts';

/** q [B, T, heads·D], k and v [B, T, kvHeads·D] to o [B, T, heads·D]; `mask` from `causalMask`. */
export function attentionPiece({ heads, kvHeads, headDim }: HeadShape): Piece {
  const q = input('q', ['B', 'T', heads * headDim]);
  const k = input('k', ['B', 'T', kvHeads * headDim]);
  const v = input('v', ['B', 'T', kvHeads * headDim]);
  const mask = input('mask', [times(heads / kvHeads, 'T'), 'T']);
  const o = attention(q, k, v, mask, { heads, kvHeads, headDim });
  return { inputs: { q, k, v }, outputs: { o }, kept: {}, parameters: {} };
}

/** [group·T, T]: 0 where a token may look, elsewhere a number that softmax turns into exactly 0.
 *  Rows shorter than T are padded at the end, so nothing real ever looks at padding. */
export function causalMask(group: number, T: number): Float32Array {
  const mask = new Float32Array(group * T * T);
  for (let row = 0; row < group * T; row++)
    mask.fill(-1e30, row * T + (row % T) + 1, (row + 1) * T);
  return mask;
}
