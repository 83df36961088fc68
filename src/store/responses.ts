// Rows of the `responses` table.
import type { Query } from './database.ts';

export type Item = { readonly id: string; readonly type: string; readonly [key: string]: unknown };
export type ResponseBody = {
  readonly id: string;
  readonly status: string;
  readonly output: readonly Item[];
  readonly [key: string]: unknown;
};
export type ResponseRow = {
  readonly id: string;
  readonly created_at: number;
  readonly body: ResponseBody;
  readonly input: readonly Item[];
  readonly inherited: number;
};

const COLUMNS = 'id, created_at, body, input, inherited';

export async function insertResponse(query: Query, row: ResponseRow): Promise<void> {
  const { id, created_at, body, input, inherited } = row;
  await query(`insert into responses (${COLUMNS}) values ($1, $2, $3::jsonb, $4::jsonb, $5)`, [
    id,
    created_at,
    JSON.stringify(body),
    JSON.stringify(input),
    inherited,
  ]);
}

/** Only while it has not ended otherwise: what was cancelled or deleted stays so. */
export async function endResponse(query: Query, body: ResponseBody): Promise<void> {
  await query(
    `update responses set body = $2::jsonb where id = $1 and body ->> 'status' = 'in_progress'`,
    [body.id, JSON.stringify(body)],
  );
}

export async function getResponse(query: Query, id: string): Promise<ResponseRow | null> {
  const [row] = await query<ResponseRow>(`select ${COLUMNS} from responses where id = $1`, [id]);
  return row ?? null;
}

export async function deleteResponse(query: Query, id: string): Promise<boolean> {
  const rows = await query('delete from responses where id = $1 returning id', [id]);
  return rows.length > 0;
}

/** An item of some kept answer. */
export async function findItem(query: Query, id: string): Promise<Item | null> {
  const [row] = await query<{ output: Item[] }>(
    `select body -> 'output' as output from responses
      where body -> 'output' @> $1::jsonb order by seq desc limit 1`,
    [JSON.stringify([{ id }])],
  );
  return row?.output.find((item) => item.id === id) ?? null;
}

export async function deleteResponsesBefore(query: Query, createdAt: number): Promise<void> {
  await query('delete from responses where created_at < $1', [createdAt]);
}
