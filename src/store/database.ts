// The only file that knows a database driver. PGlite (Postgres as WebAssembly, in this process) lives in
// the data directory; all SQL above this file is Postgres's.
import { PGlite } from '@electric-sql/pglite';

export type Query = <Row>(sql: string, params?: readonly unknown[]) => Promise<Row[]>;
export type Database = {
  readonly query: Query;
  /** In `body` use only the query it is given: the outer one would wait for ever. */
  readonly transaction: <T>(body: (query: Query) => Promise<T>) => Promise<T>;
  /** Runs several statements of SQL text without parameters. */
  readonly script: (sql: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** `directory` holds a cluster already; only one process may have it open. */
export async function openDatabase(directory: string): Promise<Database> {
  const pg = await PGlite.create({ dataDir: directory });
  return {
    query: async <Row>(sql: string, params: readonly unknown[] = []) =>
      (await pg.query<Row>(sql, [...params])).rows,
    transaction: (body) =>
      pg.transaction((tx) =>
        body(
          async <Row>(sql: string, params: readonly unknown[] = []) =>
            (await tx.query<Row>(sql, [...params])).rows,
        ),
      ),
    script: async (sql) => {
      await pg.exec(sql);
    },
    close: () => pg.close(),
  };
}
