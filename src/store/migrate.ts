// Brings a database to the newest schema: numbered SQL files, forward only, each in a transaction.
import { readdir, readFile } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import type { Database } from './database.ts';

// The same place seen from src/ and from dist/: tsc copies no SQL.
const MIGRATIONS = new URL('../../src/store/migrations/', import.meta.url);

export async function migrate(database: Pick<Database, 'query' | 'script'>): Promise<void> {
  await database.script(
    'create table if not exists schema_migrations (name text primary key, applied_at timestamptz not null default now())',
  );
  const applied = new Set(
    (await database.query<{ name: string }>('select name from schema_migrations')).map(
      ({ name }) => name,
    ),
  );
  const names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort();
  const unknown = [...applied].filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    const message = say('start.newer', { names: unknown.join(', ') });
    throw new CodedError('data_directory_newer', message);
  }
  for (const name of names) {
    if (applied.has(name)) continue;
    const sql = await readFile(new URL(name, MIGRATIONS), 'utf8');
    await database.script(
      `begin; ${sql}\n; insert into schema_migrations (name) values ('${name}'); commit;`,
    );
  }
}
