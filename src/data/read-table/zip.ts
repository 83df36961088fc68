// The directory of a zip file, and its entries as streams. Sizes in the directory are claims of whoever
// made it: what really comes out is counted by the caller.
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInflateRaw } from 'node:zlib';
import { TableError } from './table.ts';

export type ZipEntry = {
  readonly name: string;
  readonly compressed: number;
  /** As claimed. */
  readonly size: number;
  readonly encrypted: boolean;
  readonly method: number;
  readonly offset: number;
};

const END = 0x06054b50;
const END_64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const MAX_DIRECTORY = 256 * 1024 * 1024;

/** APPNOTE.TXT 4.3: the directory is at the end. */
export async function zipEntries(path: string, file: string): Promise<ZipEntry[]> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const tail = await read(handle, Math.max(0, size - 65_557), Math.min(size, 65_557));
    const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
    if (at < 0 || tail.readUInt32LE(at) !== END) throw damaged(file, 'no directory at its end');
    let count = tail.readUInt16LE(at + 10);
    let length = tail.readUInt32LE(at + 12);
    let offset = tail.readUInt32LE(at + 16);
    if (count === 0xffff || offset === 0xffffffff) {
      const big = await read(handle, Number(tail.readBigUInt64LE(at - 20 + 8)), 56);
      if (big.length < 56 || big.readUInt32LE(0) !== END_64) throw damaged(file, 'zip64 directory');
      count = Number(big.readBigUInt64LE(32));
      length = Number(big.readBigUInt64LE(40));
      offset = Number(big.readBigUInt64LE(48));
    }
    if (length > MAX_DIRECTORY) throw damaged(file, 'a directory of more than 256 MB');
    return [...entriesOf(await read(handle, offset, length), count, file)];
  } catch (error) {
    if (error instanceof RangeError) throw damaged(file, 'directory cut short');
    throw error;
  } finally {
    await handle.close();
  }
}

/** The entry's bytes, inflated. */
export async function* readEntry(
  path: string,
  entry: ZipEntry,
  file: string,
): AsyncGenerator<Buffer> {
  const handle = await open(path, 'r');
  let from: number;
  try {
    const local = await read(handle, entry.offset, 30);
    if (local.length < 30 || local.readUInt32LE(0) !== LOCAL) throw damaged(file, 'entry header');
    from = entry.offset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  } finally {
    await handle.close();
  }
  if (entry.compressed === 0) return;
  const raw = createReadStream(path, { start: from, end: from + entry.compressed - 1 });
  if (entry.method === 0) return yield* raw as AsyncIterable<Buffer>;
  const inflate = createInflateRaw();
  raw.on('error', (error) => inflate.destroy(error));
  try {
    yield* raw.pipe(inflate) as AsyncIterable<Buffer>;
  } catch (error) {
    throw damaged(file, (error as Error).message);
  } finally {
    raw.destroy();
    inflate.destroy();
  }
}

function* entriesOf(directory: Buffer, count: number, file: string): Generator<ZipEntry> {
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (directory.readUInt32LE(at) !== CENTRAL) throw damaged(file, 'directory entry');
    const flags = directory.readUInt16LE(at + 8);
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const name = directory.subarray(at + 46, at + 46 + nameLength);
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    yield {
      name: decodeName(name, (flags & 0x800) !== 0),
      encrypted: (flags & 1) !== 0,
      method: directory.readUInt16LE(at + 10),
      ...wide(extra, {
        size: directory.readUInt32LE(at + 24),
        compressed: directory.readUInt32LE(at + 20),
        offset: directory.readUInt32LE(at + 42),
      }),
    };
    at += 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
  }
}

/** Names without the UTF-8 flag come from Windows: GB18030 reads ASCII as well. */
function decodeName(name: Buffer, utf8: boolean): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(name);
  } catch {
    return new TextDecoder(utf8 ? 'utf-8' : 'gb18030').decode(name);
  }
}

type Sizes = { size: number; compressed: number; offset: number };

/** The zip64 field holds, in this order, those of the three that did not fit. */
function wide(extra: Buffer, sizes: Sizes): Sizes {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let field = at + 4;
    const next = (value: number) => {
      if (value !== 0xffffffff) return value;
      field += 8;
      return Number(extra.readBigUInt64LE(field - 8));
    };
    const size = next(sizes.size);
    const compressed = next(sizes.compressed);
    return { size, compressed, offset: next(sizes.offset) };
  }
  return sizes;
}

async function read(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

const damaged = (file: string, reason: string) =>
  new TableError(file, 'data.damaged_archive', { reason });
