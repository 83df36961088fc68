// Has a job trained and records what its child reports: queued → running → succeeded.
import { rm } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { insertCheckpoint } from '../store/checkpoints.ts';
import { updateJob } from '../store/jobs.ts';
import { insertModel } from '../store/models.ts';
import { insertStep } from '../store/steps.ts';
import { attempt } from './attempts.ts';
import { checkpointCreated } from './events.ts';
import { failJob } from './fail-job.ts';
import { finishJob } from './finish-job.ts';
import { type Job, tell, transact } from './job.ts';
import { Stopped } from './launcher/launch.ts';
import { epochCompleted, eventsOf } from './legacy-events.ts';
import { wireMetrics } from './metrics.ts';
import type { Parts } from './parts.ts';
import type { WorkerMessage } from './protocol.ts';
import { trainRequest } from './request.ts';

type Message<Type> = Extract<WorkerMessage, { type: Type }>;

/** Also for a job that is running already: its child is gone, and it goes on from its checkpoint. */
export async function trainJob(parts: Parts, job: Job, signal: AbortSignal): Promise<void> {
  const { store, bell, seconds } = parts;
  const request = await trainRequest(parts, job);
  if (job.status === 'queued') {
    const startedAt = seconds();
    const estimatedFinish = startedAt + secondsLeft(job);
    const change = { to: 'running' as const, startedAt, estimatedFinish };
    const events = [eventsOf(job.id).started(seconds())];
    const running = await transact(store.database, job.id, change, events);
    if (running === null) return; // cancelled or paused meanwhile
    bell.ring(job.id);
  }
  const work = { kind: 'train' as const, directory: request.directory, request };
  let trained: Message<'trained'> | null = null;
  const ended = await attempt(parts, job, work, signal, async (message) => {
    switch (message.type) {
      case 'step':
        return await recordStep(parts, job, message);
      case 'checkpoint':
        return job.legacy === null
          ? await recordCheckpoint(parts, job, message)
          : await recordEpoch(parts, job, message);
      case 'note':
        return await recordNote(parts, job, message);
      case 'trained':
        trained = message;
        return;
      case 'planned':
      case 'result':
      case 'fail':
      case 'done':
        return; // the first two are other work's; `attempt` answers the last two
      default:
        return message satisfies never;
    }
  });
  if (!ended) return;
  if (trained !== null) return await finishJob(parts, job, request.baseModel, trained, signal);
  const message = 'Unexpected error in Tunery: training ended without an adapter.';
  await failJob(parts, job.id, { code: 'internal', message, param: null });
}

/** As the plan estimates it; a job that was paused has done some of its steps. */
function secondsLeft({ plan, step }: Job): number {
  if (plan === null) return 0;
  return Math.ceil(plan.estimatedSeconds * (1 - step / plan.totalSteps));
}

async function recordStep({ store, bell, seconds }: Parts, job: Job, message: Message<'step'>) {
  const { step } = message.metrics;
  await store.database.transaction(async (query) => {
    const metrics = wireMetrics(message.metrics);
    if (!(await insertStep(query, job.id, { step, metrics }))) return; // told before the crash
    const running = await updateJob(query, job.id, ['running'], {
      step,
      total_steps: message.totalSteps,
      last_metrics: message,
      estimated_finish: seconds() + Math.ceil(message.secondsLeft),
    });
    if (running === null) throw new Stopped(`job ${job.id} is not running any more`, 0);
    await tell(query, job.id, eventsOf(job.id).step(seconds(), message));
  });
  bell.ring(job.id);
}

async function recordCheckpoint(
  { store, bell, seconds }: Parts,
  job: Job,
  { metrics, adapter, ggufAdapter }: Message<'checkpoint'>,
) {
  const at = seconds();
  const { step } = metrics;
  const id = `${job.output_model}:ckpt-step-${step}`;
  await store.database.transaction(async (query) => {
    const checkpoint = await insertCheckpoint(query, {
      job_id: job.id,
      created_at: at,
      step_number: step,
      fine_tuned_model_checkpoint: id,
      metrics: wireMetrics(metrics),
    });
    if (checkpoint === null) return; // told before the crash
    await insertModel(query, {
      id,
      created_at: at,
      owned_by: job.organization_id,
      project_id: job.project_id,
      base_model: job.base_model,
      base_file: job.base_file,
      job_id: job.id,
      step,
      adapter: relative(store.directory, adapter),
      gguf_adapter: relative(store.directory, ggufAdapter),
    });
    await tell(query, job.id, [checkpointCreated(at, step, id)]);
  });
  bell.ring(job.id);
}

/** A legacy fine-tune tells of its epochs and keeps no checkpoints. */
async function recordEpoch(
  { store, bell, seconds }: Parts,
  job: Job,
  { metrics, adapter }: Message<'checkpoint'>,
) {
  const { plan } = job;
  if (plan === null) throw new Error(`job ${job.id} trains without a plan`);
  const epochs = plan.hyperparameters.n_epochs;
  const epoch = Math.round((metrics.step / plan.totalSteps) * epochs);
  const events = [epochCompleted(seconds(), epoch, epochs)];
  await store.database.transaction((query) => tell(query, job.id, events));
  bell.ring(job.id);
  await rm(dirname(adapter), { recursive: true, force: true });
}

async function recordNote(
  { store, bell, seconds }: Parts,
  job: Job,
  { level, message }: Message<'note'>,
) {
  const events = eventsOf(job.id).note(seconds(), level, message);
  await store.database.transaction((query) => tell(query, job.id, events));
  bell.ring(job.id);
}
