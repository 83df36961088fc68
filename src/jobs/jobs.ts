// What the server's routes call: fine-tuning jobs and the models they produce.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { entryBeside } from '../lib/child.ts';
import type { Clock } from '../lib/clock.ts';
import { unixSeconds } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Log } from '../lib/log.ts';
import { say } from '../messages/say.ts';
import type { CheckpointRow } from '../store/checkpoints.ts';
import { listCheckpoints } from '../store/checkpoints.ts';
import type { EventRow } from '../store/events.ts';
import { eventsAfter, lastEventTimes, listEvents } from '../store/events.ts';
import { deleteFile } from '../store/files.ts';
import { type FineTuneFile, filesOfFineTunes } from '../store/fine-tune-files.ts';
import { deleteJob, getJob, type JobStatus, listFineTunes, listJobs } from '../store/jobs.ts';
import { hasModels } from '../store/models.ts';
import type { Page, PageRequest } from '../store/page.ts';
import type { Store } from '../store/store.ts';
import { ALIASES_FILE, type Alias, modelAliases } from './aliases.ts';
import { baseModels } from './base-models.ts';
import { createJob } from './create-job.ts';
import { type JobEvent, paused, unpaused } from './events.ts';
import { tidy } from './fail-job.ts';
import { createBell, follow, followGroups } from './follow.ts';
import type { Integration } from './integration.ts';
import { isTerminal, type Job, jobNotFound, parseJob, type Transition, transact } from './job.ts';
import { type Launch, Stopped } from './launcher/launch.ts';
import { launchProcess } from './launcher/process.ts';
import { eventsOf } from './legacy-events.ts';
import { modelRegistry } from './models.ts';
import { PARITY_THRESHOLD } from './parity.ts';
import { jobDirectory, type Parts, type Score } from './parts.ts';
import type { Hyperparameters, LegacyOptions, TrainingOptions } from './protocol.ts';
import { scheduler } from './scheduler.ts';
import type { WandbServer } from './wandb.ts';
import { wandbSync } from './wandb-sync.ts';
import { convertWith, exportWith } from './weights-work.ts';

export type CreateJob = {
  readonly model: string;
  readonly training_file: string;
  readonly validation_file: string | null;
  readonly hyperparameters: Hyperparameters;
  readonly options: TrainingOptions;
  /** Where its metrics are sent besides. */
  readonly integrations?: readonly Integration[];
  /** As the user wrote it, 1–64 characters; punctuation and spaces become single dashes here. */
  readonly suffix: string | null;
  /** Null: drawn here. */
  readonly seed: number | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** `org-…` of the key that asks; absent: the server's own. */
  readonly organization?: string;
  /** `proj_…` of that key, which decides who may use the model; absent or null: everybody. */
  readonly project?: string | null;
  /** Of a legacy fine-tune. */
  readonly legacy?: LegacyOptions;
};

export type { Job } from './job.ts';

export type Model = {
  readonly id: string;
  readonly kind: 'base' | 'fine-tuned' | 'checkpoint' | 'alias';
  readonly created_at: number;
  readonly owned_by: string;
  /** Of an alias: the model that it stands for. */
  readonly target?: string;
  /** Other names of this model; only in lists. */
  readonly aliases?: readonly string[];
};

/** What to load to answer for a model name. */
export type ResolvedModel = {
  readonly id: string;
  /** Absolute path of the base model's GGUF file. */
  readonly base: string;
  readonly baseId: string;
  readonly adapter: { readonly path: string; readonly scale: number } | null;
};

export type ExportFormat = 'peft' | 'merged' | 'gguf-adapter';

export type JobsOptions = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Asks a model host; the parity check compares its answer with the trainer's. */
  readonly score: Score;
  /** Folders of base models besides the data directory's own, the most wanted first. */
  readonly modelsDirs: readonly string[];
  /** The table of other names for models. Absent: `models.aliases.json` in the data directory. */
  readonly aliasesFile?: string | null;
  /** `organization_id` of jobs; its name is part of model names. */
  readonly organization: string;
  /** Jobs that train at the same time. */
  readonly trainers?: number;
  /** Nats per token. */
  readonly parityThreshold?: number;
  readonly retryMs?: number;
  readonly launch?: Launch;
  /** Where jobs with a `wandb` integration send their metrics. */
  readonly wandb?: WandbServer | null;
  /** Between two deliveries to it. */
  readonly wandbPaceMs?: number;
};

const PAUSE_GRACE_MS = 120_000; // a step of a large batch may take a minute; then it writes a checkpoint

export type Jobs = {
  readonly create: (request: CreateJob) => Promise<Job>;
  /** Throw CodedError `fine_tune_not_found` for an unknown id, like all that take one. */
  readonly get: (id: string) => Promise<Job>;
  readonly list: (
    page: PageRequest,
    metadata?: Readonly<Record<string, string>> | null,
  ) => Promise<Page<Job>>;
  /** Legacy fine-tunes, oldest first; `list` is without them. */
  readonly fineTunes: () => Promise<Job[]>;
  /** Files of legacy fine-tunes as they were when they were used, and times of their last events. */
  readonly fineTuneDetails: (ids: readonly string[]) => Promise<{
    readonly files: ReadonlyMap<string, readonly FineTuneFile[]>;
    readonly changed: ReadonlyMap<string, number>;
  }>;
  /** A job that has ended; its model, files and events: only the events go with it. */
  readonly remove: (id: string) => Promise<void>;
  readonly cancel: (id: string) => Promise<Job>;
  readonly pause: (id: string) => Promise<Job>;
  readonly resume: (id: string) => Promise<Job>;
  /** Newest first. */
  readonly events: (id: string, page: PageRequest) => Promise<Page<EventRow>>;
  /** Oldest first. */
  readonly allEvents: (id: string) => Promise<EventRow[]>;
  /** All events from the first, then live ones, until the job has ended. */
  readonly follow: (id: string, signal: AbortSignal) => AsyncGenerator<EventRow>;
  /** The same in groups; readers that come to the same group get the same array. */
  readonly followGroups: (id: string, signal: AbortSignal) => AsyncGenerator<readonly EventRow[]>;
  readonly checkpoints: (id: string, page: PageRequest) => Promise<Page<CheckpointRow>>;
  readonly models: () => Promise<Model[]>;
  readonly aliases: () => Promise<Alias[]>;
  /** Null: unknown. */
  readonly model: (id: string) => Promise<Model | null>;
  /** `ft:…@0.6` serves the adapter at 0.6 of its strength. Null: unknown. */
  readonly resolve: (name: string) => Promise<ResolvedModel | null>;
  /** Refuses base models outside the data directory and models that something still needs. */
  readonly deleteModel: (id: string) => Promise<void>;
  /** Throws when a job that has not ended still reads the file; else removes it. False: unknown. */
  readonly deleteFile: (id: string) => Promise<boolean>;
  /** Writes into `output`, a folder that is made. */
  readonly exportModel: (
    id: string,
    format: ExportFormat,
    output: string,
    signal: AbortSignal,
  ) => Promise<void>;
  /** Reads a Hugging Face folder or a GGUF file into the data directory; returns the model's id. */
  readonly importModel: (source: string, signal: AbortSignal) => Promise<string>;
  /** Begins work on what waits, and on what a killed server left behind. */
  readonly start: () => Promise<void>;
  /** Stops children at once; their jobs go on at the next start. */
  readonly close: () => Promise<void>;
};

export function createJobs({
  store,
  clock,
  log,
  score,
  modelsDirs,
  aliasesFile,
  organization,
  trainers = 1,
  parityThreshold = PARITY_THRESHOLD,
  retryMs = 1000,
  wandb = null,
  wandbPaceMs = 2000,
  launch = launchProcess(entryBeside(import.meta.url, 'worker')),
}: JobsOptions): Jobs {
  const { query } = store.database;
  const seconds = () => unixSeconds(clock.now());
  const bell = createBell();
  const convert = convertWith(launch, store.directory);
  const bases = baseModels(join(store.directory, 'models'), modelsDirs, convert, clock.now);
  const aliases = modelAliases(
    aliasesFile ?? join(store.directory, ALIASES_FILE),
    aliasesFile != null,
    bases,
  );
  const parts: Parts = {
    store,
    bases,
    launch,
    score,
    bell,
    log,
    seconds,
    now: clock.now,
    parityThreshold,
    trainers,
    retryMs,
  };
  const work = scheduler(parts);
  const sync = wandbSync({ store, bell, log, seconds, server: wandb, paceMs: wandbPaceMs });
  const models = modelRegistry(store, bases, aliases, organization);

  const get = async (id: string): Promise<Job> => {
    const row = await getJob(query, id);
    if (row === null) throw jobNotFound(id);
    return parseJob(row);
  };
  const change = async (id: string, verb: string, to: Transition, events: JobEvent[]) => {
    const job = await transact(store.database, id, to, events);
    if (job === null) throw wrongState(id, (await get(id)).status, verb);
    bell.ring(id);
    return job;
  };
  return {
    create: async (request) => {
      const asking = request.organization ?? organization;
      const around = { store, bases, aliases, organization: asking, now: seconds() };
      const job = await createJob(around, request);
      bell.ring(job.id);
      work.wake();
      if (job.integrations.length > 0) sync.begin(job.id);
      return job;
    },
    get,
    list: async (page, metadata) => {
      const { data, hasMore } = await listJobs(query, page, metadata);
      return { data: data.map(parseJob), hasMore };
    },
    fineTunes: async () => (await listFineTunes(query)).map(parseJob),
    fineTuneDetails: async (ids) => {
      const files = Map.groupBy(await filesOfFineTunes(query, ids), (file) => file.job_id);
      const changed = (await lastEventTimes(query, ids)).map(
        ({ job_id, at }) => [job_id, at] as const,
      );
      return { files, changed: new Map(changed) };
    },
    remove: async (id) => {
      const { status } = await get(id);
      if (!(await deleteJob(query, id))) throw wrongState(id, status, 'deleted; cancel it first');
      // A model that the job made has its adapter there.
      if (!(await hasModels(query, id)))
        await rm(jobDirectory(store, id), { recursive: true, force: true });
    },
    cancel: async (id) => {
      const at = seconds();
      const event = eventsOf(id).cancelled(at);
      const job = await change(id, 'cancelled', { to: 'cancelled', at }, [event]);
      void work
        .stop(id, new Stopped('the job was cancelled', 0))
        .then(() => tidy(store, id))
        .catch((err) => log.error({ event: 'job.fail', jobId: id, err }));
      return job;
    },
    pause: async (id) => {
      const job = await change(id, 'paused', { to: 'paused' }, [paused(seconds())]);
      void work.stop(id, new Stopped('the job was paused', PAUSE_GRACE_MS));
      return job;
    },
    resume: async (id) => {
      const { status, plan } = await get(id);
      if (status !== 'paused') throw wrongState(id, status, 'resumed');
      const to = plan === null ? ('validating_files' as const) : ('queued' as const);
      const job = await change(id, 'resumed', { to }, [unpaused(seconds(), to)]);
      work.wake();
      return job;
    },
    events: async (id, page) => {
      await get(id);
      return await listEvents(query, id, page);
    },
    allEvents: async (id) => {
      await get(id);
      return await eventsAfter(query, id, 0, null);
    },
    follow: (id, signal) => follow(query, bell, id, signal),
    followGroups: (id, signal) => followGroups(query, bell, id, signal),
    checkpoints: async (id, page) => {
      await get(id);
      return await listCheckpoints(query, id, page);
    },
    models: models.list,
    aliases: aliases.list,
    model: models.get,
    resolve: models.resolve,
    deleteModel: models.remove,
    // A job has its own link to the bytes it was created with, so deletion takes nothing from it.
    deleteFile: (id) => deleteFile(store.database, store.blobs, id),
    exportModel: exportWith(launch, store, models),
    importModel: models.importWith(convert),
    start: async () => {
      await aliases.list(); // a table that cannot be read should end the start and not an answer
      await work.start();
      await sync.start();
    },
    close: async () => {
      await Promise.all([work.close(), sync.close()]);
    },
  };
}

function wrongState(id: string, status: JobStatus, verb: string): CodedError {
  if (!isTerminal(status))
    return new CodedError(null, say('refusal.job_state', { id, status, verb }));
  const ended =
    status === 'succeeded'
      ? 'refusal.job_completed'
      : status === 'failed'
        ? 'refusal.job_failed'
        : 'refusal.job_cancelled';
  return new CodedError(null, say(ended, { id }));
}
