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

/** Weights + adapter with its gradient and AdamW's two moments + what one micro-batch holds at once
 *  (activations kept for the backward, attention scores, logits of one chunk) + the rows + the process.
 *  Against peaks of SmolLM2-135M, rank 8 on all layers: 1.9 to 2.2 GB in int8 and 1.5 to 2.0 GB in f32 for
 *  micro-batches of 400 to 512 tokens, 2.6 GB in int8 for rows of 1024; this says 1.9 to 2.2, 1.7 to 1.9, 3.1. */
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
  const kept = 4 * tokens * (layers * perToken + 6 * intermediateSize + 8 * hiddenSize);
  const scores = 3 * 4 * heads * cost.longestRow ** 2;
  const logits = 3 * 4 * LOSS_CHUNK * vocabSize;
  const working = ARENA * (BACKWARD * kept + scores + logits);
  return weights + adapter + working + 8 * cost.rowTokens + PROCESS_BYTES;
}

/** Most tokens of a micro-batch with more than one row (src/train/model.ts). */
const MICRO_BATCH_TOKENS = 512;
const LOSS_CHUNK = 256;
/** The backward's own tensors, beside the activations it reads. */
const BACKWARD = 1.5;
/** ONNX Runtime asks for memory in steps that double, and gives none back. */
const ARENA = 1.5;
const PROCESS_BYTES = 200e6;

/** A frozen weight costs two operations forward and two for the gradient of its input. */
export const estimateSeconds = (
  parameterCount: number,
  precision: 'int8' | 'f32',
  trainedTokens: number,
  validationTokens: number,
  threads: number,
) => {
  const training = (4 * parameterCount * trainedTokens) / OPERATIONS_PER_CORE[precision];
  const validation = (2 * parameterCount * validationTokens) / OPERATIONS_PER_CORE.f32;
  return START_SECONDS + (training + validation) / threads;
};

const START_SECONDS = 5;
/** A second of one core, with all that a step takes: SmolLM2-135M on two otherwise idle cores learns from
 *  about 300 tokens a second in int8 and 210 in f32. */
const OPERATIONS_PER_CORE = { int8: 80e9, f32: 57e9 };
