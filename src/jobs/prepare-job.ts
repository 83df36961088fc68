// Has a job's files validated and planned: validating_files → queued.
import { availableParallelism } from 'node:os';
import { jobsAhead } from '../store/jobs.ts';
import { attempt } from './attempts.ts';
import { failJob } from './fail-job.ts';
import { type Job, tell, transition } from './job.ts';
import { eventsOf } from './legacy-events.ts';
import type { Parts } from './parts.ts';
import type { Plan, TrainingOptions } from './protocol.ts';
import { trainRequest } from './request.ts';

export async function prepareJob(parts: Parts, job: Job, signal: AbortSignal): Promise<void> {
  const { store, bell, seconds } = parts;
  const whole = await trainRequest(parts, job);
  const request = { ...whole, options: withShareOfCores(whole.options, parts.trainers) };
  const work = { kind: 'prepare' as const, directory: request.directory, request };
  let plan: Plan | null = null;
  const ended = await attempt(parts, job, work, signal, async (message) => {
    if (message.type === 'planned') plan = message.plan;
    if (message.type === 'note') {
      const events = eventsOf(job.id).note(seconds(), message.level, message.message);
      await store.database.transaction((query) => tell(query, job.id, events));
      bell.ring(job.id);
    }
  });
  if (!ended) return;
  if (plan === null) {
    const message = 'Unexpected error in Tunery: validation ended without a plan.';
    return await failJob(parts, job.id, { code: 'internal', message, param: null });
  }
  await enqueue(parts, job, plan);
}

/** Trainers beside each other would fight for the cores if each took all of them. The plan keeps the
 *  number, so that a job that goes on later computes the same. */
function withShareOfCores(options: TrainingOptions, trainers: number): TrainingOptions {
  if (trainers === 1 || options.threads !== undefined) return options;
  return { ...options, threads: Math.max(1, Math.floor(availableParallelism() / trainers)) };
}

async function enqueue({ store, bell, seconds, trainers }: Parts, job: Job, plan: Plan) {
  await store.database.transaction(async (query) => {
    const says = eventsOf(job.id);
    const events = says.validated(seconds(), job, plan);
    const queued = await transition(query, job.id, { to: 'queued', plan }, events);
    if (queued === null) return; // cancelled meanwhile
    const ahead = await jobsAhead(query, job.id);
    await tell(query, job.id, says.queued(seconds(), ahead, trainers));
  });
  bell.ring(job.id);
}
