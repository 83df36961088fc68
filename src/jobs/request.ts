// The request that a job's child reads.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import { getModel } from '../store/models.ts';
import type { Job } from './job.ts';
import { GENERAL_COPY, jobDirectory, type Parts, TRAINING_COPY, VALIDATION_COPY } from './parts.ts';
import type { TrainRequest } from './protocol.ts';

/** Throws CodedError `base_model_missing` when a file that the job needs is gone. */
export async function trainRequest({ store, bases }: Parts, job: Job): Promise<TrainRequest> {
  const baseModel = await bases.gguf(job.base_file);
  if (baseModel === null) {
    const { base_model: model, base_file: file } = job;
    const message = say('failure.base_model_missing', { model, file });
    throw new CodedError('base_model_missing', message, { param: 'model' });
  }
  const directory = jobDirectory(store, job.id);
  return {
    jobId: job.id,
    directory,
    baseModel,
    trainingFile: join(directory, TRAINING_COPY),
    validationFile: job.validation_file === null ? null : join(directory, VALIDATION_COPY),
    generalFile: job.options.general_file === undefined ? null : join(directory, GENERAL_COPY),
    startAdapter: await startAdapter(store, job),
    seed: job.seed,
    hyperparameters: job.hyperparameters,
    options: job.options,
    legacy: job.legacy,
  };
}

async function startAdapter(store: Parts['store'], job: Job): Promise<string | null> {
  if (job.start_model === null) return null;
  const model = await getModel(store.database.query, job.start_model);
  const path = model === null ? null : join(store.directory, model.adapter);
  const there =
    path !== null &&
    (await access(path).then(
      () => true,
      () => false,
    ));
  if (there) return path;
  const message = say('failure.model_missing', { model: job.start_model });
  throw new CodedError('model_missing', message, { param: 'model' });
}
