// Runs a job's child until it ends by itself: a child that crashes is started again from its last
// checkpoint, and given up when it dies several times without getting further.
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from '../messages/say.ts';
import { getJob, updateJob } from '../store/jobs.ts';
import { warning } from './events.ts';
import { failJob } from './fail-job.ts';
import { type Job, tell } from './job.ts';
import { Crashed, type Work } from './launcher/launch.ts';
import type { Parts } from './parts.ts';
import type { WorkerMessage } from './protocol.ts';

const MAX_CRASHES = 3; // without progress in between: the fourth would end like the third

/** Calls `heard` with each message, one after the other. False: the job has failed. */
export async function attempt(
  parts: Parts,
  job: Job,
  work: Work,
  signal: AbortSignal,
  heard: (message: WorkerMessage) => Promise<void>,
): Promise<boolean> {
  while (true) {
    try {
      for await (const message of parts.launch(work, signal)) {
        if (message.type === 'fail') {
          const { code, param } = message;
          await failJob(parts, job.id, { code, message: message.message, param });
          return false;
        }
        await heard(message);
      }
      return true;
    } catch (error) {
      if (!(error instanceof Crashed)) throw error;
      parts.log.warn({ event: 'worker.fail', jobId: job.id, kind: work.kind, ...error.exit });
      if (!(await goOn(parts, job.id, error))) return false;
      await sleep(parts.retryMs, undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }
}

/** Counts the crash; false when the job has failed by it or has ended meanwhile. */
async function goOn(parts: Parts, jobId: string, crash: Crashed): Promise<boolean> {
  const { database } = parts.store;
  const crashes = await database.transaction(async (query) => {
    const row = await getJob(query, jobId);
    if (row === null) return null;
    const count = row.step > row.progress_at_crash ? 1 : row.crashes + 1;
    const changed = await updateJob(query, jobId, ['validating_files', 'running'], {
      crashes: count,
      progress_at_crash: row.step,
    });
    if (changed === null) return null;
    if (count <= MAX_CRASHES) {
      const text = say('event.again', { crash: crash.message });
      await tell(query, jobId, [warning(parts.seconds(), text)]);
    }
    return count;
  });
  parts.bell.ring(jobId);
  if (crashes === null) return false;
  if (crashes <= MAX_CRASHES) return true;
  await failJob(parts, jobId, {
    code: 'worker_crashed',
    message: say('failure.crashed', { crash: crash.message, times: crashes }),
    param: null,
  });
  return false;
}
