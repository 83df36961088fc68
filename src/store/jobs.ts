// Rows of the `fine_tuning_jobs` table. What a row may change into is decided in jobs/job.ts.
import type { Query } from './database.ts';
import { listPage, type Page, type PageRequest } from './page.ts';

export type JobStatus =
  | 'validating_files'
  | 'queued'
  | 'running'
  | 'paused'
  | 'succeeded'
  | 'failed'
  | 'cancelled';

export type JobError = {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
};

/** Served against trained: mean absolute difference of log-probabilities, in nats per token. */
export type Parity = {
  readonly rows: number;
  readonly tokens: number;
  readonly mean_abs_diff: number;
  readonly threshold: number;
};

/** A job as stored; the JSON columns have the shapes of jobs/protocol.ts and are typed there. */
export type JobRow = {
  readonly id: string;
  readonly created_at: number;
  readonly status: JobStatus;
  /** As the user named it: a base model or a model that is trained further. */
  readonly model: string;
  readonly base_model: string;
  readonly organization_id: string;
  readonly training_file: string;
  readonly validation_file: string | null;
  readonly suffix: string | null;
  readonly seed: number;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** As asked; `plan.hyperparameters` has the numbers. */
  readonly hyperparameters: unknown;
  readonly options: unknown;
  readonly plan: unknown;
  readonly step: number;
  readonly total_steps: number | null;
  /** The newest `step` message of the trainer. */
  readonly last_metrics: unknown;
  readonly estimated_finish: number | null;
  readonly started_at: number | null;
  readonly finished_at: number | null;
  readonly fine_tuned_model: string | null;
  readonly trained_tokens: number | null;
  readonly valid_loss_before: number | null;
  readonly valid_loss_after: number | null;
  readonly parity: Parity | null;
  readonly result_files: readonly string[];
  readonly error: JobError | null;
};

const COLUMNS = `id, created_at, status, model, base_model, organization_id, training_file,
  validation_file, suffix, seed, metadata, hyperparameters, options, plan, step, total_steps,
  last_metrics, estimated_finish, started_at, finished_at, fine_tuned_model, trained_tokens,
  valid_loss_before, valid_loss_after, parity, result_files, error`;

export async function getJob(query: Query, id: string): Promise<JobRow | null> {
  const [row] = await query<JobRow>(`select ${COLUMNS} from fine_tuning_jobs where id = $1`, [id]);
  return row ?? null;
}

/** `metadata`: pairs a job must have; null: only jobs without any; absent: all. */
export function listJobs(
  query: Query,
  page: PageRequest,
  metadata?: Readonly<Record<string, string>> | null,
): Promise<Page<JobRow>> {
  const listing = { table: 'fine_tuning_jobs', columns: COLUMNS };
  if (metadata === undefined) return listPage(query, listing, page);
  if (metadata === null) return listPage(query, { ...listing, where: 'metadata is null' }, page);
  const params = [JSON.stringify(metadata)];
  return listPage(query, { ...listing, where: 'metadata @> $1::jsonb', params }, page);
}
