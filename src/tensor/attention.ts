// Attention in terms of simpler ops. Query heads that share a key head are stacked below one another
// instead of repeating keys and values.
//
// B rows · T tokens · h key/value heads · g query heads for each · D head size

import type { HeadShape, Node } from './graph.ts';
import * as g from './graph.ts';
import { times } from './shape.ts';

export function expandAttention(o: Node, heads: HeadShape): Node {
  const [q, k, v, mask] = o.inputs as readonly [Node, Node, Node, Node];
  const p = probabilities(stack(q, heads), k, mask, heads);
  return unstack(g.matmul(p, split(v, heads)), heads, q);
}

/** The probabilities are computed again instead of kept; the row term of the softmax gradient is
 *  rowsum(dO∘O), which needs no pass over them (FlashAttention, arXiv:2205.14135 §3.1). */
export function attentionGradients(o: Node, dO: Node, heads: HeadShape): (Node | null)[] {
  const [q, k, v, mask] = o.inputs as readonly [Node, Node, Node, Node];
  const alpha = 1 / Math.sqrt(heads.headDim);
  const [Q, K, dOut] = [stack(q, heads), split(k, heads), stack(dO, heads)];
  const p = probabilities(Q, k, mask, heads);
  const dP = g.matmul(dOut, split(v, heads), { transB: true });
  const dS = g.mul(p, g.sub(dP, g.sumLast(g.mul(dOut, stack(o, heads)))));
  const dQ = g.matmul(dS, K, { alpha });
  const dK = g.matmul(dS, Q, { transA: true, alpha });
  const dV = g.matmul(p, dOut, { transA: true });
  return [unstack(dQ, heads, q), merge(dK, k), merge(dV, v), null];
}

function probabilities(Q: Node, k: Node, mask: Node, heads: HeadShape): Node {
  const scores = g.matmul(Q, split(k, heads), {
    transB: true,
    alpha: 1 / Math.sqrt(heads.headDim),
  });
  return g.softmax(g.add(scores, mask));
}

/** [B, T, h·g·D] to [B, h, g·T, D]. */
function stack(x: Node, { heads, kvHeads, headDim }: HeadShape): Node {
  const [B, T] = [x.shape[0]!, x.shape[1]!];
  const group = heads / kvHeads;
  const byHead = g.transpose(g.reshape(x, [B, T, kvHeads, group, headDim]), [0, 2, 3, 1, 4]);
  return g.reshape(byHead, [B, kvHeads, times(group, T), headDim]);
}
function unstack(x: Node, { heads, kvHeads, headDim }: HeadShape, like: Node): Node {
  const [B, T] = [like.shape[0]!, like.shape[1]!];
  const byHead = g.reshape(x, [B, kvHeads, heads / kvHeads, T, headDim]);
  return g.reshape(g.transpose(byHead, [0, 3, 1, 2, 4]), like.shape);
}

/** [B, T, h·D] to [B, h, T, D]. */
function split(x: Node, { kvHeads, headDim }: HeadShape): Node {
  const [B, T] = [x.shape[0]!, x.shape[1]!];
  return g.transpose(g.reshape(x, [B, T, kvHeads, headDim]), [0, 2, 1, 3]);
}
const merge = (x: Node, like: Node) => g.reshape(g.transpose(x, [0, 2, 1, 3]), like.shape);
