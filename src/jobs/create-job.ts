// Turns a request into a job: finds what it names, gives the job its own link to the bytes, names the
// model to come, and inserts all in one transaction.
import { copyFile, link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { newId, newSeed } from '../lib/id.ts';
import { type FileRow, getFile } from '../store/files.ts';
import { insertJob, type NewJob } from '../store/jobs.ts';
import { getModel } from '../store/models.ts';
import type { Store } from '../store/store.ts';
import type { BaseModels } from './base-models.ts';
import { created } from './events.ts';
import { type Job, parseJob, tell } from './job.ts';
import type { CreateJob } from './jobs.ts';
import { jobDirectory, TRAINING_COPY, VALIDATION_COPY } from './parts.ts';

type Surroundings = {
  readonly store: Store;
  readonly bases: BaseModels;
  readonly organization: string;
  /** Unix seconds. */
  readonly now: number;
};

export async function createJob(
  { store, bases, organization, now }: Surroundings,
  request: CreateJob,
): Promise<Job> {
  const base = await baseOf(store, bases, request.model);
  const job: NewJob = {
    id: newId('ftjob-'),
    created_at: now,
    status: 'validating_files',
    model: base.model,
    base_model: base.id,
    base_file: base.file,
    output_model: modelName(base.id, organization, request.suffix),
    organization_id: organization,
    training_file: request.training_file,
    validation_file: request.validation_file,
    suffix: request.suffix,
    seed: request.seed ?? newSeed(),
    metadata: request.metadata,
    hyperparameters: request.hyperparameters,
    options: request.options,
  };
  const directory = jobDirectory(store, job.id);
  try {
    // Nobody may delete the bytes between the look-up and the link.
    return await store.blobs.exclusive(async () => {
      await mkdir(directory, { recursive: true });
      const training = await trainingFile(store, job.training_file, 'training_file');
      await linkOrCopy(store.blobs.path(training.sha256), join(directory, TRAINING_COPY));
      if (job.validation_file !== null) {
        const validation = await trainingFile(store, job.validation_file, 'validation_file');
        await linkOrCopy(store.blobs.path(validation.sha256), join(directory, VALIDATION_COPY));
      }
      return await store.database.transaction(async (query) => {
        const row = await insertJob(query, job);
        await tell(query, job.id, created(now, job));
        return parseJob(row);
      });
    });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function baseOf(store: Store, bases: BaseModels, name: string) {
  const tuned = await getModel(store.database.query, name);
  if (tuned !== null) return { model: name, id: tuned.base_model, file: tuned.base_file };
  const base = await bases.find(name);
  if (base !== null) return { model: base.id, id: base.id, file: base.file };
  const known = (await bases.list()).map(({ id }) => id).join(', ');
  const message =
    `The model '${name}' does not exist. ` +
    (known === ''
      ? 'There are no base models yet: get one with `tunery models pull`, or name a folder with --models-dir.'
      : `Base models here: ${known}.`);
  throw new CodedError('model_not_found', message, { param: 'model' });
}

async function trainingFile(store: Store, id: string, param: string): Promise<FileRow> {
  const file = await getFile(store.database.query, id);
  const reason =
    file === null
      ? 'There is no such file; upload one with purpose fine-tune.'
      : file.purpose === 'fine-tune'
        ? null
        : `Its purpose is '${file.purpose}'; upload it with purpose fine-tune.`;
  if (file !== null && reason === null) return file;
  throw new CodedError(`invalid_${param}`, `invalid ${param}: ${id}. ${reason}`, { param });
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  // Some file systems (exFAT, network shares) know no hard links.
  await link(from, to).catch(() => copyFile(from, to));
}

/** `ft:{base}:{organization}:{suffix}:{id}`; without a suffix its place is empty. */
export function modelName(base: string, organization: string, suffix: string | null): string {
  const dashed = (suffix ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  if (suffix !== null && dashed === '') {
    const message = `suffix: '${suffix}' has no letter a–z and no digit, which model names are made of.`;
    throw new CodedError('invalid_value', message, { param: 'suffix' });
  }
  return `ft:${base}:${organization.replace(/^org-/, '')}:${dashed}:${newId('', 8)}`;
}
