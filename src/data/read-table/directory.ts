// The files of a directory that may hold rows, in the order of their names. Follows links, but enters
// no directory twice.
import type { Stats } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Limits, problem, TableError, type TableProblem } from './table.ts';

export const TABLES = /\.(csv|tsv|xlsx|xlsm|xls|ods|txt|json|jsonl|ndjson|parquet)(\.gz)?$|\.zip$/i;

export async function filesUnder(
  folder: string,
  limits: Limits,
): Promise<{ files: string[]; notes: TableProblem[] }> {
  const files: string[] = [];
  const notes: TableProblem[] = [];
  const entered = new Set<string>();
  let seen = 0;
  const walk = async (path: string): Promise<void> => {
    const real = await realpath(path);
    if (entered.has(real)) {
      notes.push(problem(path, 0, 'data.symlink_loop', { path: real }, { repaired: true }));
      return;
    }
    entered.add(real);
    const names: string[] = [];
    for await (const { name } of await opendir(path)) {
      seen += 1;
      if (seen > limits.files)
        throw new TableError(folder, 'data.too_many_files', { limit: limits.files });
      if (!name.startsWith('.')) names.push(name);
    }
    for (const name of names.sort(byCodePoint)) {
      const child = join(path, name);
      const found = await statOf(child, notes);
      if (found?.isDirectory()) await walk(child);
      else if (found?.isFile()) {
        if (TABLES.test(name)) files.push(child);
        else notes.push(problem(child, 0, 'data.skipped_file', {}, { level: 'note' }));
      }
    }
  };
  await walk(folder);
  if (files.length === 0) throw new TableError(folder, 'data.no_tables');
  return { files, notes };
}

async function statOf(path: string, notes: TableProblem[]): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const key = code === 'ELOOP' ? 'data.symlink_loop' : 'data.dead_link';
    if (code !== 'ELOOP' && code !== 'ENOENT') throw error;
    notes.push(problem(path, 0, key, { path }, { repaired: true }));
    return null;
  }
}

const byCodePoint = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
