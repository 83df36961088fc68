// Turns a request into a job: finds what it names, gives the job its own link to the bytes, names the
// model to come, and inserts all in one transaction.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { newId, newSeed } from '../lib/id.ts';
import { say } from '../messages/say.ts';
import { modelsHiddenFrom } from '../store/checkpoint-permissions.ts';
import { type FileRow, getFile } from '../store/files.ts';
import { insertFineTuneFile } from '../store/fine-tune-files.ts';
import { insertJob, type NewJob } from '../store/jobs.ts';
import { getModel } from '../store/models.ts';
import type { Store } from '../store/store.ts';
import type { Aliases } from './aliases.ts';
import type { BaseModels } from './base-models.ts';
import { type Job, parseJob, tell } from './job.ts';
import type { CreateJob } from './jobs.ts';
import { FINE_TUNE_PREFIX, legacyModelName } from './legacy.ts';
import { eventsOf } from './legacy-events.ts';
import { baseInName, modelName } from './model-name.ts';
import { GENERAL_COPY, jobDirectory, TRAINING_COPY, VALIDATION_COPY } from './parts.ts';

type Surroundings = {
  readonly store: Store;
  readonly bases: BaseModels;
  readonly aliases: Aliases;
  readonly organization: string;
  /** Unix seconds. */
  readonly now: number;
};

export async function createJob(
  { store, bases, aliases, organization, now }: Surroundings,
  request: CreateJob,
): Promise<Job> {
  const { legacy = null, suffix } = request;
  const base = await baseOf(store, bases, aliases, request);
  const job: Omit<NewJob, 'output_model'> = {
    id: newId(legacy === null ? 'ftjob-' : FINE_TUNE_PREFIX),
    created_at: now,
    status: 'validating_files',
    model: base.model,
    start_model: base.start,
    base_model: base.id,
    base_file: base.file,
    organization_id: organization,
    project_id: request.project ?? null,
    training_file: request.training_file,
    validation_file: request.validation_file,
    suffix: request.suffix,
    seed: request.seed ?? newSeed(),
    metadata: request.metadata,
    hyperparameters: request.hyperparameters,
    options: request.options,
    integrations: request.integrations ?? [],
    legacy,
  };
  const directory = jobDirectory(store, job.id);
  try {
    // Nobody may delete the bytes between the look-up and the link.
    return await store.blobs.exclusive(async () => {
      await mkdir(directory, { recursive: true });
      const training = await trainingFile(store, job.training_file, 'training_file');
      await store.blobs.link(training.sha256, join(directory, TRAINING_COPY));
      const validation =
        job.validation_file === null
          ? null
          : await trainingFile(store, job.validation_file, 'validation_file');
      if (validation !== null)
        await store.blobs.link(validation.sha256, join(directory, VALIDATION_COPY));
      const { general_file: generalFile } = request.options;
      if (generalFile !== undefined) {
        const general = await trainingFile(store, generalFile, 'general_file');
        await store.blobs.link(general.sha256, join(directory, GENERAL_COPY));
      }
      return await store.database.transaction(async (query) => {
        const row = await insertJob(query, {
          ...job,
          output_model:
            legacy === null
              ? modelName(base.name, organization, suffix)
              : await legacyModelName(query, base.name, organization, suffix, now),
          integrations_open: (request.integrations ?? []).length > 0,
        });
        if (legacy !== null) {
          await insertFineTuneFile(query, job.id, 'training', training);
          if (validation !== null)
            await insertFineTuneFile(query, job.id, 'validation', validation);
        }
        await tell(query, job.id, eventsOf(job.id).created(now, job));
        return parseJob(row);
      });
    });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

type Base = {
  /** As the client wrote it. */
  readonly model: string;
  /** Stands in the name of the model to come. */
  readonly name: string;
  readonly start: string | null;
  readonly id: string;
  readonly file: string;
};

async function baseOf(
  store: Store,
  bases: BaseModels,
  aliases: Aliases,
  { model: wanted, project = null }: Pick<CreateJob, 'model' | 'project'>,
): Promise<Base> {
  const named = async (model: string): Promise<Base | null> => {
    const tuned = await getModel(store.database.query, model);
    if (tuned !== null) {
      if (project !== null && (await modelsHiddenFrom(store.database.query, project, model)).length)
        return null;
      const { base_model, base_file } = tuned;
      const name = baseInName(model) ?? base_model;
      return { model, name, start: model, id: base_model, file: base_file };
    }
    const base = await bases.find(model);
    return base && { model, name: base.id, start: null, id: base.id, file: base.file };
  };
  const found = await named(wanted);
  if (found !== null) return found;
  const target = await aliases.target(wanted);
  const meant = target === null ? null : await named(target);
  if (meant !== null) return { ...meant, model: wanted, name: wanted };
  const why =
    target === null
      ? ''
      : `It stands for '${target}' in the table of model names, which is not here. `;
  const known = (await bases.list()).map(({ id }) => id).join(', ');
  const there = known === '' ? say('part.no_base_models') : say('part.base_models', { known });
  const message = say('refusal.no_base_model', { model: wanted, advice: `${why}${there}` });
  throw new CodedError('model_not_found', message, { param: 'model' });
}

async function trainingFile(
  store: Store,
  id: string,
  param: 'training_file' | 'validation_file' | 'general_file',
): Promise<FileRow> {
  const file = await getFile(store.database.query, id);
  const reason =
    file === null
      ? say('refusal.no_such_file')
      : file.purpose === 'fine-tune'
        ? null
        : say('refusal.purpose', { purpose: file.purpose });
  if (file !== null && reason === null) return file;
  throw new CodedError(`invalid_${param}`, say(`refusal.${param}`, { id, reason: reason ?? '' }), {
    param: param === 'general_file' ? 'tunery.general_file' : param,
  });
}
