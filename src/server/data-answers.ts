// Answers of models to requests that were cut off: kept on disk, so that the same request goes on where it
// stopped, after a restart too. What nobody comes back for goes after a week.
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';

const folderOf = (directory: string) => join(directory, 'answers');
const KEPT_MS = 7 * 24 * 3600 * 1000;

const running = new Set<string>();

/** `request`: what makes two requests the same one. `use` gets the path of its answers. */
export async function withAnswers<T>(
  directory: string,
  request: unknown,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const name = createHash('sha256').update(JSON.stringify(request)).digest('hex');
  const path = join(folderOf(directory), `${name}.jsonl`);
  if (running.has(path))
    throw new CodedError(
      'already_running',
      'The same request is running already; wait for it, or end it by closing its connection.',
      { status: 409 },
    );
  running.add(path);
  try {
    await mkdir(folderOf(directory), { recursive: true });
    return await use(path);
  } finally {
    running.delete(path);
  }
}

export async function removeOldAnswers(directory: string, now: number): Promise<void> {
  const folder = folderOf(directory);
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now })); // just ended
    if (now - mtimeMs > KEPT_MS && !running.has(path)) await rm(path, { force: true });
  }
}
