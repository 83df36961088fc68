// Keeps a second process out of a directory. Node has no flock; SQLite's exclusive transaction is a lock
// of the operating system (fcntl, LockFileEx) that goes with its process, however that ends, and that no
// reused process id can fool.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// biome-ignore lint/correctness/noUnresolvedImports: a Node module that Biome's list does not have yet
import { DatabaseSync } from 'node:sqlite';
import { isDiskFull } from './disk-full.ts';

export type DirectoryLock = {
  /** Null when this process has it now; else who has it (null: it does not say yet). */
  readonly heldBy: { readonly pid: number | null } | null;
  readonly release: () => void;
};

export function lockDirectory(directory: string): DirectoryLock {
  const holder = join(directory, 'lock.pid');
  const lock = new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
  try {
    // Nothing is ever written: no journal, so that a full disk does not look like a taken lock.
    lock.exec('pragma journal_mode = off; begin exclusive');
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw error;
    return { heldBy: { pid: readPid(holder) }, release: () => {} };
  }
  try {
    writeFileSync(holder, `${process.pid}\n`);
  } catch (error) {
    if (!isDiskFull(error)) throw error; // the lock holds without a name on it
  }
  const release = () => {
    rmSync(holder, { force: true });
    lock.close();
  };
  return { heldBy: null, release };
}

const SQLITE_BUSY = 5;
const isBusy = (error: unknown) =>
  error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;

function readPid(holder: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(holder, 'utf8'), 10);
    return Number.isNaN(pid) ? null : pid;
  } catch {
    return null; // the holder is just starting or just ending
  }
}
