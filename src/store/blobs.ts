// The bytes of files in a local directory, each under the SHA-256 of its content. A blob appears whole
// or not at all: it is written under a temporary name, synced, then renamed.
import { createHash } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { copyFile, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId } from '../lib/id.ts';

/** Bytes on disk that no file row names yet. Ends by `keep`, `moveTo` or `discard`. */
export type ReceivedBlob = {
  readonly sha256: string;
  readonly bytes: number;
  /** Where the bytes are until then. */
  readonly path: string;
  /** Moves them to their place; call inside `exclusive`, together with the row that names them. */
  readonly keep: () => Promise<void>;
  /** Moves them to a path of the caller's instead, in the same file system; its folder is made. */
  readonly moveTo: (path: string) => Promise<void>;
  readonly discard: () => Promise<void>;
};

export type Blobs = {
  /** Streams to disk; what is half there is removed when the source or the disk fails. */
  readonly receive: (source: AsyncIterable<Uint8Array>) => Promise<ReceivedBlob>;
  readonly path: (sha256: string) => string;
  readonly read: (sha256: string) => ReadStream;
  /** Gives a reader its own hold on the bytes: they stay at `target` when the file is deleted. */
  readonly link: (sha256: string, target: string) => Promise<void>;
  readonly remove: (sha256: string) => Promise<void>;
  /** One at a time: a blob must not go while a new row comes to name it. */
  readonly exclusive: <T>(body: () => Promise<T>) => Promise<T>;
};

export async function openBlobs(directory: string): Promise<Blobs> {
  const incoming = join(directory, 'incoming');
  await rm(incoming, { recursive: true, force: true }); // left by a server that was killed
  await mkdir(incoming, { recursive: true });
  const path = (sha256: string) => join(directory, sha256.slice(0, 2), sha256);
  let last: Promise<unknown> = Promise.resolve();
  return {
    receive: (source) => receive(source, join(incoming, newId('')), path),
    path,
    read: (sha256) => createReadStream(path(sha256)),
    // Some file systems (exFAT, network shares) know no hard links.
    link: (sha256, target) =>
      link(path(sha256), target).catch(() => copyFile(path(sha256), target)),
    remove: (sha256) => rm(path(sha256), { force: true }),
    exclusive: (body) => {
      const run = last.then(body);
      last = run.catch(() => {}); // the caller sees the failure; the next one starts anyway
      return run;
    },
  };
}

async function receive(
  source: AsyncIterable<Uint8Array>,
  temporary: string,
  pathOf: (sha256: string) => string,
): Promise<ReceivedBlob> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(temporary, 'wx');
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      await file.writeFile(chunk);
    }
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  const sha256 = hash.digest('hex');
  const moveTo = async (path: string) => {
    await mkdir(dirname(path), { recursive: true });
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  };
  const keep = () => moveTo(pathOf(sha256));
  const discard = () => rm(temporary, { force: true });
  return { sha256, bytes, path: temporary, keep, moveTo, discard };
}

/** A rename is durable only when its directory is. Windows cannot open directories and needs not. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  await directory.sync().finally(() => directory.close());
}
