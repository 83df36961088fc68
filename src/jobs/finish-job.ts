// The last act of a job: checks that the model as served equals the model as trained, then registers
// it, the result file and the success in one transaction.
import { relative } from 'node:path';
import { newId } from '../lib/id.ts';
import { say } from '../messages/say.ts';
import { insertFile } from '../store/files.ts';
import { insertFineTuneFile } from '../store/fine-tune-files.ts';
import type { Parity } from '../store/jobs.ts';
import { insertModel } from '../store/models.ts';
import { listSteps } from '../store/steps.ts';
import { failJob, tidy } from './fail-job.ts';
import { type Job, transition } from './job.ts';
import { Stopped } from './launcher/launch.ts';
import { eventsOf } from './legacy-events.ts';
import { legacyCsv, metricsCsv } from './metrics.ts';
import { checkParity } from './parity.ts';
import type { Parts } from './parts.ts';
import type { WorkerMessage } from './protocol.ts';

type Trained = Extract<WorkerMessage, { type: 'trained' }>;

export async function finishJob(
  parts: Parts,
  job: Job,
  baseModel: string,
  trained: Trained,
  signal: AbortSignal,
): Promise<void> {
  const parity = await checkParity(parts, baseModel, trained, signal);
  signal.throwIfAborted();
  if (!(parity.mean_abs_diff <= parity.threshold)) {
    // Written so that NaN fails too.
    const message = say('failure.parity', {
      difference: parity.mean_abs_diff.toFixed(4),
      threshold: parity.threshold,
    });
    return await failJob(parts, job.id, { code: 'parity_failed', message, param: null }, parity);
  }
  await register(parts, job, trained, parity);
  parts.bell.ring(job.id);
  await tidy(parts.store, job.id);
}

async function register(
  { store, seconds }: Parts,
  job: Job,
  trained: Trained,
  parity: Parity,
): Promise<void> {
  const { database, blobs } = store;
  const steps = await listSteps(database.query, job.id);
  const measured = steps.filter(({ step }) => step > 0).map(({ metrics }) => metrics);
  const csv = job.legacy === null ? metricsCsv(measured) : legacyCsv(measured);
  const received = await blobs.receive(chunks(csv));
  const at = seconds();
  const file = {
    id: newId('file-'),
    created_at: at,
    expires_at: null,
    filename: job.legacy === null ? 'step_metrics.csv' : 'compiled_results.csv',
    purpose: 'fine-tune-results',
    bytes: received.bytes,
    sha256: received.sha256,
  };
  const model = {
    id: job.output_model,
    created_at: at,
    owned_by: job.organization_id,
    project_id: job.project_id,
    base_model: job.base_model,
    base_file: job.base_file,
    job_id: job.id,
    step: null,
    adapter: relative(store.directory, trained.adapter),
    gguf_adapter: relative(store.directory, trained.ggufAdapter),
  };
  const outcome = {
    at,
    fineTunedModel: model.id,
    trainedTokens: trained.trainedTokens,
    resultFiles: [file.id],
    validLossBefore: trained.validLossBefore,
    validLossAfter: trained.validLossAfter,
    parity,
  };
  await blobs.exclusive(async () => {
    await received.keep();
    await database.transaction(async (query) => {
      await insertFile(query, file);
      await insertModel(query, model);
      if (job.legacy !== null) await insertFineTuneFile(query, job.id, 'result', file);
      const events = eventsOf(job.id).succeeded(at, model.id, file.id);
      const done = await transition(query, job.id, { to: 'succeeded', outcome }, events);
      if (done === null) throw new Stopped(`job ${job.id} is not running any more`, 0);
    });
  });
}

async function* chunks(text: string) {
  yield Buffer.from(text);
}
