// Causal attention of rows that do not see each other.
import { attention, type HeadShape, input } from '../tensor/graph.ts';
import { times } from '../tensor/shape.ts';
import type { Piece } from './piece.ts';

/** The last Q of K tokens look at all K: q [B, Q, heads·D], k and v [B, K, kvHeads·D] to
 *  o [B, Q, heads·D]; `mask` from `causalMask`. */
export function attentionPiece({ heads, kvHeads, headDim }: HeadShape): Piece {
  const q = input('q', ['B', 'Q', heads * headDim]);
  const k = input('k', ['B', 'K', kvHeads * headDim]);
  const v = input('v', ['B', 'K', kvHeads * headDim]);
  const mask = input('mask', [times(heads / kvHeads, 'Q'), 'K']);
  const o = attention(q, k, v, mask, { heads, kvHeads, headDim });
  return { inputs: { q, k, v }, outputs: { o }, kept: {}, parameters: {} };
}

/** [group·Q, K]: 0 where a token may look, elsewhere a number that softmax turns into exactly 0.
 *  Rows shorter than K are padded at the end, so nothing real ever looks at padding. */
export function causalMask(group: number, Q: number, K: number): Float32Array {
  const mask = new Float32Array(group * Q * K);
  for (let row = 0; row < group * Q; row++)
    mask.fill(-1e30, row * K + (K - Q) + (row % Q) + 1, (row + 1) * K);
  return mask;
}
