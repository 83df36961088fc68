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
  /** The fine-tuned model that is trained further; null for a base model. */
  readonly start_model: string | null;
  readonly base_model: string;
  readonly base_file: string;
  /** What the result will be called. */
  readonly output_model: string;
  readonly organization_id: string;
  /** Of the key that created it; null: of none. */
  readonly project_id: string | null;
  readonly training_file: string;
  readonly validation_file: string | null;
  readonly suffix: string | null;
  readonly seed: number;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** As asked; `plan.hyperparameters` has the numbers. */
  readonly hyperparameters: unknown;
  readonly options: unknown;
  /** Null unless the job came through `/v1/fine-tunes`. */
  readonly legacy: unknown;
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
  /** Where its metrics are sent besides. */
  readonly integrations: unknown;
  readonly result_files: readonly string[];
  readonly error: JobError | null;
  /** Times in a row its child died without progress, and the step it had reached then. */
  readonly crashes: number;
  readonly progress_at_crash: number;
};
export type NewJob = Pick<
  JobRow,
  | 'id'
  | 'created_at'
  | 'status'
  | 'model'
  | 'start_model'
  | 'base_model'
  | 'base_file'
  | 'output_model'
  | 'organization_id'
  | 'project_id'
  | 'training_file'
  | 'validation_file'
  | 'suffix'
  | 'seed'
  | 'metadata'
  | 'hyperparameters'
  | 'integrations'
  | 'options'
  | 'legacy'
>;
export type JobChanges = Partial<Omit<JobRow, keyof NewJob>> & { readonly status?: JobStatus };

const COLUMNS = `id, created_at, status, model, start_model, legacy, base_model, base_file,
  output_model, organization_id, project_id, training_file,
  validation_file, suffix, seed, metadata, hyperparameters, options, plan, step, total_steps,
  last_metrics, estimated_finish, started_at, finished_at, fine_tuned_model, trained_tokens,
  valid_loss_before, valid_loss_after, parity, result_files, error, crashes,
  progress_at_crash, integrations`;

export async function getJob(query: Query, id: string): Promise<JobRow | null> {
  const [row] = await query<JobRow>(`select ${COLUMNS} from fine_tuning_jobs where id = $1`, [id]);
  return row ?? null;
}

/** Null: no such job. */
export async function jobStatus(query: Query, id: string): Promise<JobStatus | null> {
  const [row] = await query<{ status: JobStatus }>(
    'select status from fine_tuning_jobs where id = $1',
    [id],
  );
  return row?.status ?? null;
}

/** `metadata`: pairs a job must have; null: only jobs without any; absent: all. */
export function listJobs(
  query: Query,
  page: PageRequest,
  metadata?: Readonly<Record<string, string>> | null,
): Promise<Page<JobRow>> {
  const where = 'legacy is null';
  const listing = { table: 'fine_tuning_jobs', columns: COLUMNS, where };
  if (metadata === undefined) return listPage(query, listing, page);
  if (metadata === null)
    return listPage(
      query,
      { ...listing, where: `${where} and (metadata is null or metadata = '{}')` },
      page,
    );
  const params = [JSON.stringify(metadata)];
  return listPage(query, { ...listing, where: `${where} and metadata @> $1::jsonb`, params }, page);
}

/** Legacy fine-tunes, oldest first: their list has no pages. */
export const listFineTunes = (query: Query): Promise<JobRow[]> =>
  query(`select ${COLUMNS} from fine_tuning_jobs where legacy is not null order by seq`);

export async function outputModelTaken(query: Query, model: string): Promise<boolean> {
  const rows = await query(
    `select 1 from fine_tuning_jobs where output_model = $1
     union all select 1 from models where id = $1 limit 1`,
    [model],
  );
  return rows.length > 0;
}

/** Only a job that has ended; false when it has not, or is gone. */
export async function deleteJob(query: Query, id: string): Promise<boolean> {
  const rows = await query(
    `delete from fine_tuning_jobs
      where id = $1 and status in ('succeeded', 'failed', 'cancelled') returning id`,
    [id],
  );
  return rows.length > 0;
}

/** Values are the driver's; objects are stored as JSON. */
const toSql = (value: unknown) =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : value;

export async function insertJob(
  query: Query,
  job: NewJob & { readonly integrations_open: boolean },
): Promise<JobRow> {
  const names = Object.keys(job);
  const places = names.map((_, i) => `$${i + 1}`);
  const [row] = await query<JobRow>(
    `insert into fine_tuning_jobs (${names}) values (${places}) returning ${COLUMNS}`,
    Object.values(job).map(toSql),
  );
  return row!; // an insert without conflict clause returns its row
}

/** Changes a job that is in one of the states `from`; null when it is not, or is gone. */
export async function updateJob(
  query: Query,
  id: string,
  from: readonly JobStatus[],
  changes: JobChanges,
): Promise<JobRow | null> {
  const sets = Object.keys(changes).map((name, i) => `${name} = $${i + 3}`);
  const [row] = await query<JobRow>(
    `update fine_tuning_jobs set ${sets} where id = $1 and status = any($2) returning ${COLUMNS}`,
    [id, from, ...Object.values(changes).map(toSql)],
  );
  return row ?? null;
}

const CLAIM_NEXT = `
  update fine_tuning_jobs set worker = $2, lease_until = $4
   where id = (select id from fine_tuning_jobs
                where status = any($1) and (lease_until is null or lease_until < $3)
                order by (status <> 'running'), seq limit 1 for update skip locked)
  returning ${COLUMNS}`;
/** Takes what was interrupted, else the oldest job in one of these states that nobody works on, or whose worker stopped renewing
 *  its lease. Times in milliseconds. */
export async function claimNext(
  query: Query,
  statuses: readonly JobStatus[],
  worker: string,
  now: number,
  leaseUntil: number,
): Promise<JobRow | null> {
  const [row] = await query<JobRow>(CLAIM_NEXT, [statuses, worker, now, leaseUntil]);
  return row ?? null;
}

/** Ids of the jobs that this worker still holds. */
export async function renewLeases(query: Query, worker: string, leaseUntil: number) {
  const rows = await query<{ id: string }>(
    'update fine_tuning_jobs set lease_until = $2 where worker = $1 returning id',
    [worker, leaseUntil],
  );
  return rows.map(({ id }) => id);
}

export async function releaseLease(query: Query, id: string, worker: string): Promise<void> {
  await query(
    'update fine_tuning_jobs set worker = null, lease_until = null where id = $1 and worker = $2',
    [id, worker],
  );
}

/** For a store that one process alone can open: whoever held a lease is gone. */
export async function releaseAllLeases(query: Query): Promise<void> {
  await query(
    'update fine_tuning_jobs set worker = null, lease_until = null where worker is not null',
  );
}

/** Ids of jobs whose metrics are not all sent, oldest first. */
export async function jobsWithOpenIntegrations(query: Query): Promise<string[]> {
  const rows = await query<{ id: string }>(
    'select id from fine_tuning_jobs where integrations_open order by seq',
  );
  return rows.map(({ id }) => id);
}

export async function closeIntegrations(query: Query, id: string): Promise<void> {
  await query('update fine_tuning_jobs set integrations_open = false where id = $1', [id]);
}

/** Jobs that will be trained before this one. */
export async function jobsAhead(query: Query, id: string): Promise<number> {
  const [row] = await query<{ count: number }>(
    `select count(*)::int as count from fine_tuning_jobs
      where id <> $1 and (status = 'running' or status = 'queued'
        and seq < (select seq from fine_tuning_jobs where id = $1))`,
    [id],
  );
  return row?.count ?? 0;
}

/** Ids of open jobs that were created with this file. */
export async function openJobsReading(query: Query, fileId: string): Promise<string[]> {
  const rows = await query<{ id: string }>(
    `select id from fine_tuning_jobs
      where status in ('validating_files', 'queued', 'running', 'paused')
        and (training_file = $1 or validation_file = $1) order by seq`,
    [fileId],
  );
  return rows.map(({ id }) => id);
}

/** Open jobs that start from this model or whose base it is. */
export function openJobsUsing(query: Query, model: string): Promise<JobRow[]> {
  return query(
    `select ${COLUMNS} from fine_tuning_jobs
      where status in ('validating_files', 'queued', 'running', 'paused')
        and (start_model = $1 or base_model = $1) order by seq`,
    [model],
  );
}
