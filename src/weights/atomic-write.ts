// Files that are either whole or absent: written under a temporary name, flushed, then renamed.
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Gives `write` a handle; `path` appears, or is replaced, only after everything is on the disk. */
export async function writeAtomically(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.partial`;
  try {
    const handle = await open(temporary, 'w');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

export const writeTextAtomically = (path: string, text: string) =>
  writeAtomically(path, (handle) => writeAll(handle, Buffer.from(text)));

/** A single write may be short, and ends at 2 GiB. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  const PIECE = 1 << 28;
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(PIECE, bytes.length - done));
    done += bytesWritten;
  }
}

/** Makes a rename in `folder` survive a power cut; Windows has no such call and needs none. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
