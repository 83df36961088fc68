// Rows of the `fine_tuning_checkpoints` table: the adapters of a job's epochs, each a usable model.
import { newId } from '../lib/id.ts';
import type { Query } from './database.ts';
import { listPage, type Page, type PageRequest } from './page.ts';

export type CheckpointRow = {
  readonly id: string;
  readonly job_id: string;
  readonly created_at: number;
  readonly step_number: number;
  readonly fine_tuned_model_checkpoint: string;
  /** Wire names; only what was measured. */
  readonly metrics: Readonly<Record<string, number>>;
};

const COLUMNS = 'id, job_id, created_at, step_number, fine_tuned_model_checkpoint, metrics';

/** Null when the job already has a checkpoint of this step. */
export async function insertCheckpoint(
  query: Query,
  {
    job_id,
    created_at,
    step_number,
    fine_tuned_model_checkpoint,
    metrics,
  }: Omit<CheckpointRow, 'id'>,
): Promise<CheckpointRow | null> {
  const [row] = await query<CheckpointRow>(
    `insert into fine_tuning_checkpoints (${COLUMNS}) values ($1, $2, $3, $4, $5, $6)
     on conflict (job_id, step_number) do nothing returning ${COLUMNS}`,
    [
      newId('ftckpt_'),
      job_id,
      created_at,
      step_number,
      fine_tuned_model_checkpoint,
      JSON.stringify(metrics),
    ],
  );
  return row ?? null;
}

export function listCheckpoints(
  query: Query,
  jobId: string,
  page: PageRequest,
): Promise<Page<CheckpointRow>> {
  const listing = { table: 'fine_tuning_checkpoints', columns: COLUMNS, where: 'job_id = $1' };
  return listPage(query, { ...listing, params: [jobId] }, page);
}

/** The name of the model that is meant by a model's name or a checkpoint's id. Null: none. */
export async function servedCheckpoint(query: Query, id: string): Promise<string | null> {
  const [row] = await query<{ id: string }>(
    `select id from models where id = $1 or id =
       (select fine_tuned_model_checkpoint from fine_tuning_checkpoints where id = $1)`,
    [id],
  );
  return row?.id ?? null;
}
