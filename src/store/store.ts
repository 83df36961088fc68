// The data directory: database, blobs, and the lock that keeps a second server out.
import { access, constants, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { lockDirectory } from '../lib/directory-lock.ts';
import { say } from '../messages/say.ts';
import { type Blobs, openBlobs } from './blobs.ts';
import { type Database, openDatabase } from './database.ts';
import { unpackEmptyDatabase } from './empty-database.ts';
import { migrate } from './migrate.ts';

export type Store = {
  /** Absolute. */
  readonly directory: string;
  readonly database: Database;
  readonly blobs: Blobs;
  readonly close: () => Promise<void>;
};

/** Makes the directory where it is missing. Throws CodedError `data_directory_not_writable`,
 *  `data_directory_in_use` or `data_directory_newer`. */
export async function openStore(path: string): Promise<Store> {
  const directory = resolve(path);
  await makeWritable(directory);
  const unlock = lockOut(directory);
  try {
    const [database, blobs] = await Promise.all([
      openEmbedded(join(directory, 'database')),
      openBlobs(join(directory, 'files')),
    ]);
    await migrate(database);
    let closed: Promise<void> | null = null;
    const close = () => {
      closed ??= database.close().finally(unlock);
      return closed;
    };
    return { directory, database, blobs, close };
  } catch (error) {
    unlock();
    throw error;
  }
}

function lockOut(directory: string): () => void {
  const { heldBy, release } = lockDirectory(directory);
  if (heldBy === null) return release;
  throw new CodedError(
    'data_directory_in_use',
    heldBy.pid === null
      ? say('start.directory_in_use_unknown', { directory })
      : say('start.directory_in_use', { pid: heldBy.pid, directory }),
  );
}

async function makeWritable(directory: string): Promise<void> {
  const there = await stat(directory).catch(() => null);
  if (there !== null && !there.isDirectory())
    throw new CodedError('data_directory_not_writable', say('start.no_folder', { directory }));
  try {
    await makeDirectory(directory);
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const message = say('start.not_writable', { directory, reason });
    throw new CodedError('data_directory_not_writable', message, { cause: error });
  }
}

/** Node's recursive `mkdir` never ends where the parent exists and the system says that it does not (/proc). */
async function makeDirectory(directory: string): Promise<void> {
  if (await exists(directory)) return;
  const parent = dirname(directory);
  await makeDirectory(parent);
  await mkdir(directory).catch(async (error: unknown) => {
    if (!(await exists(directory))) throw error; // else another process made it
  });
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

async function openEmbedded(directory: string): Promise<Database> {
  if (!(await exists(directory))) {
    const unpacked = `${directory}.new`; // half a database must never be taken for one
    await rm(unpacked, { recursive: true, force: true });
    await unpackEmptyDatabase(unpacked);
    await rename(unpacked, directory);
  }
  return await openDatabase(directory);
}
