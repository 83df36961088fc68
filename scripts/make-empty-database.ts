// Writes assets/empty-database.tar.zst, a database cluster with today's tables and no rows: making one
// takes PGlite seconds, unpacking one takes a fraction. Run again after a new migration (without, servers
// apply it at their first start) and after an update of PGlite.
import { mkdir, writeFile } from 'node:fs/promises';
import { constants, zstdCompressSync } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import { migrate } from '../src/store/migrate.ts';

const target = new URL('../assets/empty-database.tar.zst', import.meta.url);
const pg = await PGlite.create();
await migrate({
  query: async <Row>(sql: string) => (await pg.query<Row>(sql)).rows,
  script: async (sql) => void (await pg.exec(sql)),
});
// Two thirds of the files are databases for CREATE DATABASE to copy; this cluster has one and keeps it.
await pg.exec('update pg_database set datistemplate = false');
for (const unused of ['template0', 'template1']) await pg.exec(`drop database ${unused}`);
await pg.exec('checkpoint');
const tar = Buffer.from(await (await pg.dumpDataDir('none')).arrayBuffer());
await pg.close();
await mkdir(new URL('.', target), { recursive: true });
const params = {
  [constants.ZSTD_c_compressionLevel]: 19,
  [constants.ZSTD_c_windowLog]: 25, // most of it is zeros and repeated catalogues
};
await writeFile(target, zstdCompressSync(tar, { params }));
