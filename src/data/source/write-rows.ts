// Writes rows to a JSONL file that appears under its name only when it is complete.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { WriteError } from '../../lib/new-files.ts';
import { removeOnExit } from './left-over.ts';

export type RowWriter = {
  readonly rows: number;
  line(text: string): Promise<void>;
  /** Flushes, renames, and tells what was written. */
  finish(): Promise<Written>;
  discard(): Promise<void>;
};
export type Written = {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
};

const FLUSH_CHARACTERS = 1024 * 1024;

export async function rowWriter(path: string): Promise<RowWriter> {
  const partial = `${path}.partial`;
  const gone = removeOnExit(partial);
  const file = await naming(path, open(partial, 'w')).catch((error: unknown) => {
    gone();
    throw error;
  });
  const hash = createHash('sha256');
  let waiting: string[] = [];
  let characters = 0;
  let bytes = 0;
  let rows = 0;
  const flush = async () => {
    const data = Buffer.from(waiting.join(''), 'utf8');
    waiting = [];
    characters = 0;
    bytes += data.length;
    hash.update(data);
    await naming(path, writeAll(file, data));
  };
  return {
    get rows() {
      return rows;
    },
    async line(text) {
      rows += 1;
      characters += text.length;
      waiting.push(text, '\n');
      if (characters > FLUSH_CHARACTERS) await flush();
    },
    async finish() {
      try {
        await flush();
        await naming(path, file.sync());
      } finally {
        await file.close();
      }
      await naming(path, rename(partial, path));
      gone();
      return { path, rows, bytes, sha256: hash.digest('hex') };
    },
    async discard() {
      await file.close().catch(() => {}); // closed already where finishing failed
      await rm(partial, { force: true });
      gone();
    },
  };
}

/** The system's error says what went wrong; which file it was about, only we know. */
async function naming<T>(path: string, doing: Promise<T>): Promise<T> {
  try {
    return await doing;
  } catch (error) {
    throw new WriteError(path, error);
  }
}

/** A disk that is nearly full takes less than it was given. */
async function writeAll(file: FileHandle, data: Buffer): Promise<void> {
  for (let done = 0; done < data.length; )
    done += (await file.write(data, done, data.length - done)).bytesWritten;
}

/** Writes rows through `produce`; when that fails, nothing is left behind. */
export async function writeRowsTo(
  path: string,
  produce: (writer: RowWriter) => Promise<void>,
): Promise<Written> {
  const writer = await rowWriter(path);
  try {
    await produce(writer);
    return await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

export async function writeTextTo(path: string, text: string): Promise<void> {
  await writeRowsTo(path, (writer) => writer.line(text.endsWith('\n') ? text.slice(0, -1) : text));
}
