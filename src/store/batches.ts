// Rows of the `batches` table.
import type { Query } from './database.ts';
import { listPage, type Page, type PageRequest } from './page.ts';

export type BatchStatus =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

/** `line` is null where a problem is the whole file's. */
export type BatchProblem = {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly line: number | null;
};

export type BatchUsage = {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly reasoning_tokens: number;
};

export type BatchRow = {
  readonly id: string;
  readonly created_at: number;
  readonly status: BatchStatus;
  readonly organization_id: string;
  readonly key_id: string | null;
  readonly endpoint: string;
  readonly input_file_id: string;
  readonly completion_window: string;
  readonly output_expires_after: number | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly model: string | null;
  readonly errors: readonly BatchProblem[] | null;
  readonly expires_at: number;
  readonly in_progress_at: number | null;
  readonly finalizing_at: number | null;
  readonly completed_at: number | null;
  readonly failed_at: number | null;
  readonly expired_at: number | null;
  readonly cancelling_at: number | null;
  readonly cancelled_at: number | null;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly usage: BatchUsage | null;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
};

export type NewBatch = Pick<
  BatchRow,
  | 'id'
  | 'created_at'
  | 'organization_id'
  | 'key_id'
  | 'endpoint'
  | 'input_file_id'
  | 'completion_window'
  | 'output_expires_after'
  | 'metadata'
  | 'expires_at'
>;
export type BatchChanges = Partial<Omit<BatchRow, keyof NewBatch>>;

const COLUMNS = `id, created_at, status, organization_id, key_id, endpoint, input_file_id,
  completion_window, output_expires_after, metadata, model, errors, expires_at, in_progress_at,
  finalizing_at, completed_at, failed_at, expired_at, cancelling_at, cancelled_at, total, completed,
  failed, usage, output_file_id, error_file_id`;

const toSql = (value: unknown) =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : value;

export async function insertBatch(query: Query, batch: NewBatch): Promise<BatchRow> {
  const values = { ...batch, status: 'validating' };
  const names = Object.keys(values);
  const places = names.map((_, i) => `$${i + 1}`);
  const [row] = await query<BatchRow>(
    `insert into batches (${names}) values (${places}) returning ${COLUMNS}`,
    Object.values(values).map(toSql),
  );
  return row!; // an insert without conflict clause returns its row
}

export async function getBatch(query: Query, id: string): Promise<BatchRow | null> {
  const [row] = await query<BatchRow>(`select ${COLUMNS} from batches where id = $1`, [id]);
  return row ?? null;
}

export const listBatches = (query: Query, page: PageRequest): Promise<Page<BatchRow>> =>
  listPage(query, { table: 'batches', columns: COLUMNS }, page);

/** Those that have not ended, the oldest first. */
export function openBatches(query: Query): Promise<BatchRow[]> {
  return query(
    `select ${COLUMNS} from batches
      where status in ('validating', 'in_progress', 'finalizing', 'cancelling') order by seq`,
  );
}

/** Changes a batch that is in one of the states `from`; null when it is not. */
export async function updateBatch(
  query: Query,
  id: string,
  from: readonly BatchStatus[],
  changes: BatchChanges,
): Promise<BatchRow | null> {
  const sets = Object.keys(changes).map((name, i) => `${name} = $${i + 3}`);
  const [row] = await query<BatchRow>(
    `update batches set ${sets} where id = $1 and status = any($2) returning ${COLUMNS}`,
    [id, from, ...Object.values(changes).map(toSql)],
  );
  return row ?? null;
}
