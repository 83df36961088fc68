// What a plan will cost, before anything is loaded: bytes of memory at the peak, and seconds. Both are
// rough; memory leans high, because it decides whether a job may start.
import { availableParallelism, totalmem } from 'node:os';
import type { ModelConfig } from '../../weights/config.ts';

export type Cost = {
  readonly config: ModelConfig;
  readonly parameterCount: number;
  readonly precision: 'int8' | 'f32';
  readonly rank: number;
  readonly targetCount: number;
  readonly longestRow: number;
  readonly tokensPerStep: number;
  readonly rowTokens: number;
};

export type Machine = {
  readonly cores: number;
  readonly totalMemory: number;
  /** What can be had now without swapping. */
  readonly availableMemory: number;
};

export function thisMachine(): Machine {
  const limit = process.constrainedMemory();
  // 0 or a huge number: no limit is set on this process.
  const totalMemory = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return { cores: availableParallelism(), totalMemory, availableMemory: process.availableMemory() };
}

/** Weights + adapter with its gradient and AdamW's two moments + activations kept for the backward of
 *  one micro-batch + logits of one chunk of targets + the rows + the process itself. */
export function estimateMemory(cost: Cost): number {
  const { config, parameterCount, rank, targetCount } = cost;
  const { layers, hiddenSize, heads, kvHeads, headDim, intermediateSize, vocabSize } = config;
  const embedding = vocabSize * hiddenSize * (config.tiedEmbeddings ? 1 : 2);
  // int8 keeps the exact form too: losses are measured in it.
  const weights =
    4 * parameterCount + (cost.precision === 'int8' ? 2 * (parameterCount - embedding) : 0);
  const adapter = 16 * rank * layers * targetCount * (hiddenSize + intermediateSize);
  const perToken = 2 * hiddenSize + 2 * (heads + kvHeads) * headDim + 2 * intermediateSize;
  const tokens = Math.max(cost.longestRow, Math.min(cost.tokensPerStep, MICRO_BATCH_TOKENS));
  const activations = 4 * tokens * (layers * perToken + 6 * intermediateSize + 8 * hiddenSize);
  const scores = 3 * 4 * heads * cost.longestRow ** 2;
  const logits = 3 * 4 * LOSS_CHUNK * vocabSize;
  return weights + adapter + activations + scores + logits + 8 * cost.rowTokens + PROCESS_BYTES;
}

const MICRO_BATCH_TOKENS = 2048;
const LOSS_CHUNK = 256;
const PROCESS_BYTES = 200e6;

/** A frozen weight costs two operations forward and two for the gradient of its input. */
export const estimateSeconds = (
  parameterCount: number,
  trainedTokens: number,
  validationTokens: number,
  threads: number,
) => {
  const operations = parameterCount * (4 * trainedTokens + 2 * validationTokens);
  return START_SECONDS + operations / (threads * OPERATIONS_PER_CORE);
};

const START_SECONDS = 5;
/** A desktop core in 32-bit matrix products, with what else a step takes. */
const OPERATIONS_PER_CORE = 50e9;
