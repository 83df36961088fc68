// Several new files that appear together, whole, or not at all. Never replaces a file: a name that is
// taken in the meantime is an error.
import { link, open, rename, rm, stat } from 'node:fs/promises';

export type NewFile = { readonly path: string; readonly chunks: Iterable<string | Uint8Array> };

export class WriteError extends Error {
  override readonly name = 'WriteError';
  readonly path: string;
  readonly code: string | null;
  constructor(path: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.path = path;
    this.code = (cause as NodeJS.ErrnoException).code ?? null;
  }
}

export async function writeNewFiles(
  files: readonly NewFile[],
  signal?: AbortSignal,
): Promise<void> {
  const temporary = (path: string) => `${path}.${process.pid}.partial`;
  const named: string[] = [];
  try {
    for (const file of files) await writeWhole(file, temporary(file.path), signal);
    for (const { path } of files) {
      await nameOnce(temporary(path), path);
      named.push(path);
    }
  } catch (error) {
    for (const path of named) await rm(path, { force: true });
    throw error;
  } finally {
    for (const { path } of files) await rm(temporary(path), { force: true });
  }
}

async function writeWhole({ path, chunks }: NewFile, temporary: string, signal?: AbortSignal) {
  try {
    const handle = await open(temporary, 'w');
    try {
      for (const piece of joined(chunks)) {
        signal?.throwIfAborted();
        await handle.appendFile(piece);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new WriteError(path, error);
  }
}

/** A link fails where the name is taken; file systems without links get a check and a rename. */
async function nameOnce(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new WriteError(path, error);
    const taken = await stat(path).then(
      () => true,
      () => false,
    );
    if (taken) throw new WriteError(path, error);
    await rename(temporary, path);
  }
}

const PIECE = 1024 * 1024;

/** Pieces worth a system call. */
function* joined(chunks: Iterable<string | Uint8Array>): Generator<Buffer> {
  let pending: Buffer[] = [];
  let length = 0;
  for (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk);
    pending.push(bytes);
    length += bytes.length;
    if (length < PIECE) continue;
    yield Buffer.concat(pending);
    pending = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(pending);
}
