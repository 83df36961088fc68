// Rows of the `api_keys` table. What a key may do is decided in server/auth.ts.
import type { Query } from './database.ts';

export type KeyRow = {
  readonly id: string;
  readonly created_at: number;
  readonly name: string;
  readonly sha256: string;
  readonly redacted_value: string;
  readonly scopes: readonly string[];
  readonly organization_id: string;
  readonly project_id: string | null;
  /** Null: no limit, here and below. */
  readonly requests_per_minute: number | null;
  readonly tokens_per_minute: number | null;
  /** Tokens that the key may use in all. */
  readonly token_quota: number | null;
  readonly tokens_used: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
  readonly revoked_at: number | null;
};
export type NewKey = Omit<KeyRow, 'tokens_used' | 'last_used_at' | 'revoked_at'>;

const COLUMNS = `id, created_at, name, sha256, redacted_value, scopes, organization_id, project_id,
  requests_per_minute, tokens_per_minute, token_quota, tokens_used, expires_at, last_used_at, revoked_at`;

export async function insertKey(query: Query, key: NewKey): Promise<KeyRow> {
  const values = { ...key, scopes: JSON.stringify(key.scopes) };
  const names = Object.keys(values);
  const places = names.map((_, i) => `$${i + 1}`);
  const [row] = await query<KeyRow>(
    `insert into api_keys (${names}) values (${places}) returning ${COLUMNS}`,
    Object.values(values),
  );
  return row!; // an insert without conflict clause returns its row
}

/** Revoked ones too; newest first. */
export function listKeys(query: Query): Promise<KeyRow[]> {
  return query(`select ${COLUMNS} from api_keys order by seq desc`);
}

/** Null: unknown or revoked before. */
export async function revokeKey(query: Query, id: string, at: number): Promise<KeyRow | null> {
  const [row] = await query<KeyRow>(
    `update api_keys set revoked_at = $2 where id = $1 and revoked_at is null returning ${COLUMNS}`,
    [id, at],
  );
  return row ?? null;
}

export async function recordUse(
  query: Query,
  id: string,
  { tokens, at }: { readonly tokens: number; readonly at: number },
): Promise<void> {
  await query(
    'update api_keys set tokens_used = tokens_used + $2, last_used_at = $3 where id = $1',
    [id, tokens, at],
  );
}
