// The keys of this server: made, found, revoked, and what they have used. The rows are held in memory,
// because every request asks for one and only this process opens the database.
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Clock, unixSeconds } from '../lib/clock.ts';
import { newId } from '../lib/id.ts';
import type { Database } from '../store/database.ts';
import {
  insertKey,
  type KeyRow,
  listKeys,
  type NewKey,
  recordUse,
  revokeKey,
} from '../store/keys.ts';

export type KeyRequest = Omit<NewKey, 'id' | 'created_at' | 'sha256' | 'redacted_value'>;

export type Keyring = {
  /** True for ever after the first key was made: from then on requests need one. */
  readonly required: () => Promise<boolean>;
  /** `value` exists here only; nobody can learn it later. */
  readonly create: (
    request: KeyRequest,
  ) => Promise<{ readonly key: KeyRow; readonly value: string }>;
  /** Newest first, revoked ones too. */
  readonly list: () => Promise<readonly KeyRow[]>;
  /** Null: unknown or revoked before. */
  readonly revoke: (id: string) => Promise<KeyRow | null>;
  /** Null: no key of this server; it may still be revoked or expired. */
  readonly find: (value: string) => Promise<KeyRow | null>;
  /** For work that goes on after the request that named the key. Null: unknown. */
  readonly get: (id: string) => Promise<KeyRow | null>;
  /** Counts tokens against the quota and remembers when the key was used. */
  readonly use: (id: string, tokens: number) => Promise<void>;
};

const USE_SECONDS = 60; // how exact `last_used_at` is; each write costs a millisecond

export function createKeyring({ query }: Pick<Database, 'query'>, clock: Clock): Keyring {
  let loading: Promise<Map<string, KeyRow>> | null = null;
  const seconds = () => unixSeconds(clock.now());
  const rows = (): Promise<Map<string, KeyRow>> => {
    loading ??= listKeys(query).then((all) => new Map(all.map((row) => [row.sha256, row])));
    loading.catch(() => {
      loading = null; // the next request asks again
    });
    return loading;
  };
  const byId = (all: ReadonlyMap<string, KeyRow>, id: string) =>
    [...all.values()].find((row) => row.id === id);

  return {
    required: async () => (await rows()).size > 0,
    create: async (request) => {
      const all = await rows();
      const value = newId('sk-', 48);
      const key = await insertKey(query, {
        ...request,
        id: newId('key_', 16),
        created_at: seconds(),
        sha256: digest(value).toString('hex'),
        redacted_value: masked(value),
      });
      all.set(key.sha256, key);
      return { key, value };
    },
    list: () => listKeys(query),
    revoke: async (id) => {
      const row = await revokeKey(query, id, seconds());
      if (row !== null) (await rows()).set(row.sha256, row);
      return row;
    },
    find: async (value) => {
      const wanted = digest(value);
      const row = (await rows()).get(wanted.toString('hex'));
      // The look-up goes by the hash, whose bytes nobody can choose, so its duration tells nothing.
      if (row === undefined || !timingSafeEqual(Buffer.from(row.sha256, 'hex'), wanted))
        return null;
      return row;
    },
    get: async (id) => byId(await rows(), id) ?? null,
    use: async (id, tokens) => {
      const all = await rows();
      const row = byId(all, id);
      if (row === undefined) return;
      const at = seconds();
      if (tokens === 0 && row.last_used_at !== null && at - row.last_used_at < USE_SECONDS) return;
      // Nothing is awaited since the row was read: a revocation meanwhile would be undone.
      all.set(row.sha256, { ...row, tokens_used: row.tokens_used + tokens, last_used_at: at });
      await recordUse(query, id, { tokens, at });
    },
  };
}

const digest = (value: string) => createHash('sha256').update(value).digest();

const SHORTEST = 16; // of a shorter word the ends would be too much of it

/** `sk-ab***wxyz`: enough to recognise a key, too little to use it. */
export function masked(value: string): string {
  const plain = value.replace(/[^\x21-\x7e]/g, '?');
  if (plain.length < SHORTEST) return plain.startsWith('sk-') ? 'sk-***' : '***';
  return `${plain.slice(0, 5)}***${plain.slice(-4)}`;
}
