// Sends the requests of a batch that are not answered yet, a few at a time, and writes down each answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../lib/id.ts';
import type { BatchRow } from '../store/batches.ts';
import type { BatchLine } from './input.ts';
import type { OutputLine, Progress } from './progress.ts';

/** Calls this server's own endpoint with the rights of whoever created the batch. */
export type Send = (request: {
  readonly endpoint: string;
  readonly body: unknown;
  readonly keyId: string | null;
  readonly organization: string;
  readonly signal: AbortSignal;
}) => Promise<Response>;

/** Waits for a turn; what it returns ends the turn. Null: the signal came first. */
export type Turns = (signal: AbortSignal) => Promise<(() => void) | null>;

/** So many turns at a time, in the order of asking, so that batches share them evenly. */
export function turnsOf(width: number): Turns {
  let free = width;
  const waiting = new Set<() => void>();
  const end = () => {
    const [next] = waiting;
    if (next === undefined) free += 1;
    else next();
  };
  return (signal) => {
    if (signal.aborted) return Promise.resolve(null);
    if (free > 0) {
      free -= 1;
      return Promise.resolve(end);
    }
    return new Promise((resolve) => {
      const settle = (turn: (() => void) | null) => {
        waiting.delete(mine);
        signal.removeEventListener('abort', giveUp);
        resolve(turn);
      };
      const mine = () => settle(end);
      const giveUp = () => settle(null);
      waiting.add(mine);
      signal.addEventListener('abort', giveUp);
    });
  };
}

type Surroundings = {
  readonly batch: BatchRow;
  readonly progress: Progress;
  readonly send: Send;
  readonly turns: Turns;
  readonly width: number;
  readonly signal: AbortSignal;
};

/** Returns when every line has been answered, or soon after the signal. */
export async function execute(
  lines: AsyncGenerator<BatchLine>,
  surroundings: Surroundings,
): Promise<void> {
  const { progress, turns, width, signal } = surroundings;
  const failure = new AbortController(); // when one lane fails, the others stop too
  const either = AbortSignal.any([signal, failure.signal]);
  const lane = async () => {
    for (;;) {
      const end = await turns(either);
      if (end === null) return;
      try {
        const { done, value: line } = await lines.next();
        if (done) return;
        if (progress.has(line.customId)) continue;
        const answer = await answerTo(line, { ...surroundings, signal: either });
        if (answer === null) return;
        const good = answer.response !== null && answer.response.status_code < 400;
        await progress.append(good ? 'output' : 'error', [answer]);
      } catch (error) {
        failure.abort();
        throw error;
      } finally {
        end();
      }
    }
  };
  try {
    const lanes = await Promise.allSettled(Array.from({ length: width }, lane));
    for (const result of lanes) if (result.status === 'rejected') throw result.reason;
  } finally {
    await lines.return(undefined);
  }
}

/** Null: interrupted, and no answer. */
async function answerTo(
  { customId, body }: BatchLine,
  { batch, send, signal }: Surroundings,
): Promise<OutputLine | null> {
  const { endpoint, key_id: keyId, organization_id: organization } = batch;
  for (let attempt = 1; ; attempt++) {
    const response = await send({ endpoint, body, keyId, organization, signal });
    const answer: unknown = await response.json().catch(() => null); // cut off, or no JSON
    if (signal.aborted) return null;
    const { status, headers } = response;
    const wait = Number(headers.get('retry-after') ?? Number.NaN);
    if ((status === 429 || status === 503) && !Number.isNaN(wait)) {
      await sleep(Math.max(0.05, wait) * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return null;
    } else if (status < 500 || attempt === ATTEMPTS) {
      const request_id = headers.get('x-request-id') ?? '';
      return outputLine(customId, { response: { status_code: status, request_id, body: answer } });
    }
  }
}

const ATTEMPTS = 2; // a model host that crashed is started again

export const outputLine = (
  custom_id: string,
  { response = null, error = null }: Partial<Pick<OutputLine, 'response' | 'error'>>,
): OutputLine => ({ id: newId('batch_req_'), custom_id, response, error });
