// Writes assets/empty-database.tar.br, a freshly made database cluster: making one takes PGlite seconds,
// unpacking one takes a fraction. Run again after an update of PGlite.
import { mkdir, writeFile } from 'node:fs/promises';
import { brotliCompressSync, constants } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';

const target = new URL('../assets/empty-database.tar.br', import.meta.url);
const pg = await PGlite.create();
await pg.exec('checkpoint');
const tar = Buffer.from(await (await pg.dumpDataDir('none')).arrayBuffer());
await pg.close();
await mkdir(new URL('.', target), { recursive: true });
const params = {
  [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
  [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
};
await writeFile(target, brotliCompressSync(tar, { params }));
