// Tokenized rows on disk. Layout, little endian: magic (8 bytes) · per row Int32 ids, then Float32
// weights · Int32 length of every row · Int32 number of rows · magic again, so that half a file shows.
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { Row } from './row.ts';

const MAGIC = Buffer.from('TNYROWS1');

export type RowsWriter = {
  write(row: Row): Promise<void>;
  /** Flushes to disk and gives the file its name; before, nothing of that name exists or changes. */
  finish(): Promise<void>;
  discard(): Promise<void>;
};

export async function writeRows(path: string): Promise<RowsWriter> {
  const partial = `${path}.partial`;
  const file = await open(partial, 'w');
  const lengths: number[] = [];
  let buffered: Buffer[] = [MAGIC];
  let bytes = 0;
  const flush = async () => {
    if (buffered.length > 0) await writeAll(file, Buffer.concat(buffered));
    buffered = [];
    bytes = 0;
  };
  return {
    async write({ ids, weights }) {
      if (ids.length !== weights.length)
        throw new RangeError(`a row of ${ids.length} ids has ${weights.length} weights`);
      lengths.push(ids.length);
      buffered.push(bytesOf(ids), bytesOf(weights));
      bytes += ids.length * 8;
      if (bytes >= FLUSH_BYTES) await flush();
    },
    async finish() {
      buffered.push(
        bytesOf(Int32Array.from(lengths)),
        bytesOf(Int32Array.of(lengths.length)),
        MAGIC,
      );
      await flush();
      await file.sync();
      await file.close();
      await rename(partial, path);
    },
    async discard() {
      await file.close();
      await rm(partial, { force: true });
    },
  };
}

const FLUSH_BYTES = 1024 * 1024;

/** `write` may take less than it was given, on a disk that is nearly full for example. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
}

/** Throws an Error naming the file if it is not a whole rows file. */
export async function readRows(path: string): Promise<Row[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const broken = () => new Error(`${path} is not a complete file of training rows.`);
    if (size < 2 * MAGIC.length + 4) throw broken();
    const tail = await readAt(file, size - MAGIC.length - 4, MAGIC.length + 4);
    const head = await readAt(file, 0, MAGIC.length);
    if (!head.equals(MAGIC) || !tail.subarray(4).equals(MAGIC)) throw broken();
    const count = tail.readInt32LE(0);
    const index = size - tail.length - count * 4;
    if (count < 0 || index < MAGIC.length) throw broken();
    const lengths = new Int32Array(aligned(await readAt(file, index, count * 4)));
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    if (MAGIC.length + tokens * 8 !== index) throw broken();
    const data = aligned(await readAt(file, MAGIC.length, tokens * 8));
    let at = 0;
    return Array.from(lengths, (length) => {
      const ids = new Int32Array(data, at, length);
      const weights = new Float32Array(data, at + length * 4, length);
      at += length * 8;
      return { ids, weights };
    });
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    // One read call moves at most 2 GiB.
    const want = Math.min(length - done, 1024 ** 3);
    const { bytesRead } = await file.read(bytes, done, want, position + done);
    if (bytesRead === 0) throw new Error('the file became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}

/** `allocUnsafeSlow` gives each buffer a memory of its own, which starts at 0. */
const aligned = (bytes: Buffer) => bytes.buffer as ArrayBuffer;
const bytesOf = (array: Int32Array | Float32Array) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
