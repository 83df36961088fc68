// Parity: the model as llama.cpp serves it against the model as the trainer computes it, in the
// log-probabilities of held-out rows.
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import type { Parity } from '../store/jobs.ts';
import type { Parts } from './parts.ts';
import type { WorkerMessage } from './protocol.ts';

/** Nats per token. llama.cpp multiplies quantised weights with activations rounded to 8 bits. On a Q4 file
 *  that costs 0.07 to 0.1, and 0.22 where a dozen short rows were learnt by heart (with the trainer in f32
 *  and in int8 alike; on an f32 file it is 2e-6): rounding weighs most on tokens that the model does not
 *  expect. A wrong permutation, scale or template costs whole nats. The threshold lies between the two: to
 *  throw a sound model away after its training is the worse mistake. */
export const PARITY_THRESHOLD = 1;

const TRIES = 3; // a model host that dies is started anew by the next request

export async function checkParity(
  { score, parityThreshold, log }: Pick<Parts, 'score' | 'parityThreshold' | 'log'>,
  baseModel: string,
  { parity, ggufAdapter }: Extract<WorkerMessage, { type: 'trained' }>,
  signal: AbortSignal,
): Promise<Parity> {
  for (let tries = 1; ; tries++) {
    try {
      let difference = 0;
      let tokens = 0;
      for (const { ids, logProbs } of parity) {
        signal.throwIfAborted();
        const served = await score(baseModel, ggufAdapter, ids);
        if (served.length !== logProbs.length) {
          throw new Error(`${served.length} scores came for ${logProbs.length} tokens`);
        }
        for (const [i, logProb] of logProbs.entries()) difference += Math.abs(logProb - served[i]!);
        tokens += logProbs.length;
      }
      const mean_abs_diff = tokens === 0 ? 0 : difference / tokens;
      return { rows: parity.length, tokens, mean_abs_diff, threshold: parityThreshold };
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ event: 'parity.fail', tries, err: error });
      const text = error instanceof Error ? error.message : String(error);
      if (error instanceof CodedError && error.code === 'model_file_missing') {
        const message = say('failure.base_file_missing', { path: baseModel });
        throw new CodedError('base_model_missing', message, { param: 'model', cause: error });
      }
      if (tries === TRIES) {
        const message = say('failure.serving', { reason: text });
        throw new CodedError('serving_failed', message, { cause: error });
      }
      await sleep(1000, undefined, { signal }).catch(() => {});
    }
  }
}
