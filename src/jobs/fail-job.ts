// Ends a job with a code and a sentence that says what to do.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { isDiskFull } from '../lib/disk-full.ts';
import { say } from '../messages/say.ts';
import type { JobError, Parity } from '../store/jobs.ts';
import { transact } from './job.ts';
import { eventsOf } from './legacy-events.ts';
import { GENERAL_COPY, jobDirectory, type Parts, TRAINING_COPY, VALIDATION_COPY } from './parts.ts';

/** Does nothing to a job that has ended meanwhile. */
export async function failJob(
  { store, bell, seconds }: Pick<Parts, 'store' | 'bell' | 'seconds'>,
  jobId: string,
  error: JobError,
  parity?: Parity,
): Promise<void> {
  const at = seconds();
  const change = { to: 'failed' as const, error, at, ...(parity === undefined ? {} : { parity }) };
  const event = eventsOf(jobId).failed(at, error.code, error.message);
  await transact(store.database, jobId, change, [event]);
  bell.ring(jobId);
  await tidy(store, jobId);
}

// The work's own names, which this side may not import: see jobs/work/prepare.ts and training-run.ts.
const ONLY_TO_GO_ON = [
  TRAINING_COPY,
  VALIDATION_COPY,
  GENERAL_COPY,
  'rows-general.bin',
  'rows-train.bin',
  'rows-valid.bin',
  'checkpoints',
  'steps.jsonl',
];

/** Removes what only a job that goes on needs; adapters stay. */
export async function tidy(store: Parts['store'], jobId: string): Promise<void> {
  for (const name of ONLY_TO_GO_ON) {
    await rm(join(jobDirectory(store, jobId), name), { recursive: true, force: true });
  }
}

export function describe(error: unknown): JobError {
  if (error instanceof CodedError) {
    const { code, message, param } = error;
    return { code: code ?? 'invalid_request', message, param };
  }
  const text = error instanceof Error ? error.message : String(error);
  if (isDiskFull(error)) {
    const message = say('failure.disk_full', { reason: text });
    return { code: 'disk_full', message, param: null };
  }
  return { code: 'internal', message: say('failure.internal', { reason: text }), param: null };
}
