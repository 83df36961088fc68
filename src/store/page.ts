// Keyset pagination: a page starts after a known row and is found by index, however long the list is.
import { CodedError } from '../lib/coded-error.ts';
import type { Query } from './database.ts';

export type Page<Row> = { readonly data: Row[]; readonly hasMore: boolean };
export type PageRequest = {
  /** Id of the last row seen. */
  readonly after?: string | null;
  readonly limit: number;
  readonly order?: 'asc' | 'desc';
};

type Listing = {
  readonly table: string;
  readonly columns: string;
  /** Condition with parameters $1…; they precede those of the page. */
  readonly where?: string;
  readonly params?: readonly unknown[];
};

export async function listPage<Row>(
  query: Query,
  { table, columns, where = 'true', params = [] }: Listing,
  { after = null, limit, order = 'desc' }: PageRequest,
): Promise<Page<Row>> {
  let start = '';
  const values = [...params];
  if (after !== null) {
    const [listed] = await query<{ seq: number }>(
      `select seq from ${table} where ${where} and id = $${params.length + 1}`,
      [...params, after],
    );
    const row = listed ?? (await deletedRow(query, after));
    if (row === undefined) {
      const message = `after: there is no '${after}' in this list; pass the id of the last item you saw.`;
      throw new CodedError('invalid_value', message, { param: 'after' });
    }
    values.push(row.seq);
    start = `and seq ${order === 'asc' ? '>' : '<'} $${values.length}`;
  }
  values.push(limit + 1); // one more than asked tells whether there is a next page
  const rows = await query<Row>(
    `select ${columns} from ${table} where ${where} ${start} order by seq ${order} limit $${values.length}`,
    values,
  );
  return { data: rows.slice(0, limit), hasMore: rows.length > limit };
}

const KEPT = '1 day'; // longer than anybody pages

/** To be called in the transaction that deletes the row: its place stays known as a cursor. */
export async function rememberPlace(query: Query, id: string, seq: number): Promise<void> {
  await query(`delete from deleted_rows where deleted_at < now() - interval '${KEPT}'`);
  await query('insert into deleted_rows (id, seq) values ($1, $2)', [id, seq]);
}

async function deletedRow(query: Query, id: string): Promise<{ seq: number } | undefined> {
  const [row] = await query<{ seq: number }>('select seq from deleted_rows where id = $1', [id]);
  return row;
}
