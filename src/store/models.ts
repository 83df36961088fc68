// Rows of the `models` table: fine-tuned models and checkpoints that can be served.
import type { Query } from './database.ts';

export type ModelRow = {
  readonly id: string;
  readonly created_at: number;
  readonly owned_by: string;
  /** Of the key that had it made; null: of none. */
  readonly project_id: string | null;
  /** Id of the base model, and the name of its file or folder: ids may change as files come. */
  readonly base_model: string;
  readonly base_file: string;
  readonly job_id: string;
  /** Null for the job's final model, else the step of the checkpoint. */
  readonly step: number | null;
  /** PEFT folder and GGUF file, relative to the data directory. */
  readonly adapter: string;
  readonly gguf_adapter: string;
};

const COLUMNS =
  'id, created_at, owned_by, project_id, base_model, base_file, job_id, step, adapter, gguf_adapter';

export async function insertModel(query: Query, model: ModelRow): Promise<void> {
  const values = [
    ...[model.id, model.created_at, model.owned_by, model.project_id],
    ...[model.base_model, model.base_file, model.job_id, model.step],
    ...[model.adapter, model.gguf_adapter],
  ];
  const places = values.map((_, i) => `$${i + 1}`);
  await query(`insert into models (${COLUMNS}) values (${places})`, values);
}

export async function getModel(query: Query, id: string): Promise<ModelRow | null> {
  const [row] = await query<ModelRow>(`select ${COLUMNS} from models where id = $1`, [id]);
  return row ?? null;
}

/** Newest first. */
export function listModels(query: Query): Promise<ModelRow[]> {
  return query(`select ${COLUMNS} from models order by seq desc`);
}

export async function deleteModel(query: Query, id: string): Promise<ModelRow | null> {
  const [row] = await query<ModelRow>(`delete from models where id = $1 returning ${COLUMNS}`, [
    id,
  ]);
  return row ?? null;
}

/** Whether a job's models are still there. */
export async function hasModels(query: Query, jobId: string): Promise<boolean> {
  const rows = await query('select 1 from models where job_id = $1 limit 1', [jobId]);
  return rows.length > 0;
}
