// The states of a fine-tuning job and the one table of what may become what. Every transition is one
// transaction: the row, the events that tell of it, and what comes into being with it.
import { CodedError } from '../lib/coded-error.ts';
import type { Database, Query } from '../store/database.ts';
import { type EventRow, insertEvent, type NewEvent } from '../store/events.ts';
import {
  type JobChanges,
  type JobError,
  type JobRow,
  type JobStatus,
  type Parity,
  updateJob,
} from '../store/jobs.ts';
import { type Integration, Integrations } from './integration.ts';
import { Hyperparameters, LegacyOptions, Plan, TrainingOptions } from './protocol.ts';

/** A job with its JSON columns parsed; a field is null until the job has it. */
export type Job = Omit<JobRow, 'hyperparameters' | 'options' | 'plan' | 'legacy'> & {
  readonly hyperparameters: Hyperparameters;
  readonly options: TrainingOptions;
  readonly integrations: readonly Integration[];
  /** Null until the files are validated. */
  readonly plan: Plan | null;
  /** Null unless the job came through `/v1/fine-tunes`. */
  readonly legacy: LegacyOptions | null;
};

/** Each state with what comes with it. */
export type Transition =
  /** A job that was paused before its files were validated. */
  | { readonly to: 'validating_files' }
  /** With a plan: its files are validated; without: it was paused. */
  | { readonly to: 'queued'; readonly plan?: Plan }
  | {
      readonly to: 'running';
      readonly startedAt: number;
      /** By the plan, until the first step gives a better one. */
      readonly estimatedFinish: number;
    }
  | { readonly to: 'paused' }
  | { readonly to: 'succeeded'; readonly outcome: Outcome }
  | {
      readonly to: 'failed';
      readonly error: JobError;
      readonly at: number;
      readonly parity?: Parity;
    }
  | { readonly to: 'cancelled'; readonly at: number };

export type Outcome = {
  readonly at: number;
  readonly fineTunedModel: string;
  readonly trainedTokens: number;
  readonly resultFiles: readonly string[];
  readonly validLossBefore: number | null;
  readonly validLossAfter: number | null;
  readonly parity: Parity;
};

const FROM = {
  validating_files: ['paused'],
  queued: ['paused'],
  running: ['queued'],
  paused: ['validating_files', 'queued', 'running'],
  succeeded: ['running'],
  failed: ['validating_files', 'queued', 'running'],
  cancelled: ['validating_files', 'queued', 'running', 'paused'],
} as const satisfies Record<Transition['to'], readonly JobStatus[]>;

const fromOf = (change: Transition): readonly JobStatus[] =>
  change.to === 'queued' && change.plan !== undefined ? ['validating_files'] : FROM[change.to];

export function isTerminal(status: JobStatus): boolean {
  switch (status) {
    case 'validating_files':
    case 'queued':
    case 'running':
    case 'paused':
      return false;
    case 'succeeded':
    case 'failed':
    case 'cancelled':
      return true;
    default:
      return status satisfies never;
  }
}

/** Null when the job is in no state that leads there: somebody else was quicker. */
export async function transition(
  query: Query,
  id: string,
  change: Transition,
  events: readonly Omit<NewEvent, 'job_id'>[],
): Promise<Job | null> {
  const row = await updateJob(query, id, fromOf(change), {
    status: change.to,
    ...columns(change),
  });
  if (row === null) return null;
  await tell(query, id, events);
  return parseJob(row);
}

export async function tell(
  query: Query,
  jobId: string,
  events: readonly Omit<NewEvent, 'job_id'>[],
): Promise<EventRow[]> {
  const told: EventRow[] = [];
  for (const event of events) {
    const row = await insertEvent(query, { ...event, job_id: jobId });
    if (row !== null) told.push(row);
  }
  return told;
}

/** `transition` in a transaction of its own. */
export const transact = (
  database: Database,
  id: string,
  change: Transition,
  events: readonly Omit<NewEvent, 'job_id'>[],
) => database.transaction((query) => transition(query, id, change, events));

export function parseJob(row: JobRow): Job {
  return {
    ...row,
    hyperparameters: Hyperparameters.parse(row.hyperparameters),
    options: TrainingOptions.parse(row.options),
    integrations: Integrations.parse(row.integrations),
    plan: row.plan === null ? null : Plan.parse(row.plan),
    legacy: row.legacy === null ? null : LegacyOptions.parse(row.legacy),
  };
}

export const jobNotFound = (id: string) =>
  new CodedError('fine_tune_not_found', `Could not find fine tune: ${id}`, {
    status: 404,
    param: 'fine_tune_id',
  });

function columns(change: Transition): JobChanges {
  switch (change.to) {
    case 'validating_files':
      return {};
    case 'queued':
      return change.plan === undefined
        ? { estimated_finish: null }
        : { plan: change.plan, total_steps: change.plan.totalSteps, crashes: 0 };
    case 'running':
      return { started_at: change.startedAt, estimated_finish: change.estimatedFinish };
    case 'paused':
      return { estimated_finish: null, crashes: 0 };
    case 'failed':
      return {
        error: change.error,
        finished_at: change.at,
        estimated_finish: null,
        ...(change.parity === undefined ? {} : { parity: change.parity }),
      };
    case 'cancelled':
      return { finished_at: change.at, estimated_finish: null };
    case 'succeeded': {
      const { outcome } = change;
      return {
        finished_at: outcome.at,
        estimated_finish: null,
        fine_tuned_model: outcome.fineTunedModel,
        trained_tokens: outcome.trainedTokens,
        result_files: outcome.resultFiles,
        valid_loss_before: outcome.validLossBefore,
        valid_loss_after: outcome.validLossAfter,
        parity: outcome.parity,
      };
    }
    default:
      return change satisfies never;
  }
}
