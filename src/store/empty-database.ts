// Unpacks the database cluster that ships with the package. `initdb` inside PGlite and the migrations take
// seconds, and a first start should take one.
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';

const ARCHIVE = new URL('../../assets/empty-database.tar.zst', import.meta.url);
const BLOCK = 512; // bytes; POSIX.1-1988 (ustar): a header block, then the content in whole blocks

export async function unpackEmptyDatabase(directory: string): Promise<void> {
  const tar = await promisify(zstdDecompress)(await readFile(ARCHIVE));
  mkdirSync(directory, { recursive: true });
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const name = text(tar, at, 100);
    const size = Number.parseInt(text(tar, at + 124, 12), 8);
    const target = join(directory, normalize(`/${name}`));
    if (text(tar, at + 156, 1) === '5') mkdirSync(target, { recursive: true });
    // Synchronous: a thousand small files, and nothing else to do meanwhile.
    else writeFileSync(target, tar.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function text(bytes: Buffer, start: number, length: number): string {
  const field = bytes.toString('latin1', start, start + length);
  const end = field.indexOf('\0');
  return end === -1 ? field : field.slice(0, end);
}
