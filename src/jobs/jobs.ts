// What the server's routes call: fine-tuning jobs and the models they produce.

import type { CheckpointRow } from '../store/checkpoints.ts';
import type { EventRow } from '../store/events.ts';
import type { JobRow } from '../store/jobs.ts';
import type { Page, PageRequest } from '../store/page.ts';
import type { Hyperparameters, Plan, TrainingOptions } from './protocol.ts';

export type CreateJob = {
  readonly model: string;
  readonly training_file: string;
  readonly validation_file: string | null;
  readonly hyperparameters: Hyperparameters;
  readonly options: TrainingOptions;
  /** As the user wrote it, 1–64 characters; punctuation and spaces become single dashes here. */
  readonly suffix: string | null;
  /** Null: drawn here. */
  readonly seed: number | null;
  readonly metadata: Readonly<Record<string, string>> | null;
};

export type Job = Omit<JobRow, 'hyperparameters' | 'options' | 'plan'> & {
  readonly hyperparameters: Hyperparameters;
  readonly options: TrainingOptions;
  /** Null until the files are validated. */
  readonly plan: Plan | null;
};

export type Model = {
  readonly id: string;
  readonly kind: 'base' | 'fine-tuned' | 'checkpoint';
  readonly created_at: number;
  readonly owned_by: string;
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

export type Jobs = {
  readonly create: (request: CreateJob) => Promise<Job>;
  /** Throw CodedError `fine_tune_not_found` for an unknown id, like all that take one. */
  readonly get: (id: string) => Promise<Job>;
  readonly list: (
    page: PageRequest,
    metadata?: Readonly<Record<string, string>> | null,
  ) => Promise<Page<Job>>;
  readonly cancel: (id: string) => Promise<Job>;
  readonly pause: (id: string) => Promise<Job>;
  readonly resume: (id: string) => Promise<Job>;
  /** Newest first. */
  readonly events: (id: string, page: PageRequest) => Promise<Page<EventRow>>;
  /** All events from the first, then live ones, until the job has ended. */
  readonly follow: (id: string, signal: AbortSignal) => AsyncGenerator<EventRow>;
  readonly checkpoints: (id: string, page: PageRequest) => Promise<Page<CheckpointRow>>;
  readonly models: () => Promise<Model[]>;
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
  readonly start: () => void;
  /** Stops children at once; their jobs go on at the next start. */
  readonly close: () => Promise<void>;
};
