// Final norm, vocabulary projection, cross-entropy and its gradient in one pass over a chunk of target
// positions, so that [targets, vocabulary] exists for one chunk at a time only.
//
// M targets of the chunk · V vocabulary
import { gradients } from '../tensor/autograd.ts';
import type { Program } from '../tensor/graph.ts';
import * as g from '../tensor/graph.ts';

export type HeadOptions = {
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly epsilon: number;
};

/** x [M, hidden], target [M], weight [M, 1] → ce [M, 1], logit and best [M, 1] (equal where the target
 *  is the most likely token), d.x [M, hidden] = d(Σ weight·ce)/dx where asked for. */
export function crossEntropyProgram(options: HeadOptions, withGradient: boolean): Program {
  const { x, table, normed, logits } = projected(options);
  const target = g.input('target', ['M'], 'i64');
  const p = g.softmax(logits);
  const logit = g.pick(logits, target);
  const best = g.maxLast(logits);
  // log Σ exp(logit) from the largest logit and its probability, which is never too small to divide by.
  const ce = g.sub(g.sub(best, g.log(g.maxLast(p))), logit);
  if (!withGradient) return g.program({ ce, logit, best });
  const weight = g.input('weight', ['M', 1]);
  const drawn = g.gatherRows(table, target);
  const seed = g.mul(g.sub(g.matmul(p, table), drawn), weight);
  const [dx] = gradients([{ value: normed, seed }], [x]);
  return g.program({ ce, logit, best, 'd.x': dx! });
}

/** x [M, hidden] → logits [M, V]. */
export const logitsProgram = (options: HeadOptions) =>
  g.program({ logits: projected(options).logits });

function projected({ hiddenSize, vocabSize, epsilon }: HeadOptions) {
  const x = g.input('x', ['M', hiddenSize]);
  const table = g.input('table', [vocabSize, hiddenSize]);
  const normed = g.rmsNorm(x, g.input('norm', [hiddenSize]), epsilon);
  return { x, table, normed, logits: g.matmul(normed, table, { transB: true }) };
}
