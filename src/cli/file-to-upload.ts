// The file behind a path that is to be sent, and what is wrong with its rows in the reader's language.
import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkFile } from '../data/check.ts';
import { explain, type Problem } from '../data/problems.ts';
import type { Say } from '../messages/say.ts';
import type { Cli } from './cli.ts';
import { Failure, reasonOf } from './failure.ts';

/** A file on disk that fetch streams; it is not read into memory. */
export async function fileToUpload({ say }: Cli, path: string): Promise<Blob> {
  const unreadable = (reason: string) => new Failure(say('error.file', { path, reason }));
  try {
    // openAsBlob takes folders and pipes as well, and fails outside of any promise once they are read.
    if (!(await stat(path)).isFile()) throw unreadable(say('upload.no_plain_file'));
    return await openAsBlob(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw unreadable(missing ? say('data.no_file') : reasonOf(error));
  }
}

const TOLD = 5; // as many as the server tells

/** The API refuses in English; a reader of another language gets the same problems in that one. */
export async function inReadersLanguage({ say }: Cli, path: string, failure: unknown) {
  const refused = failure instanceof Failure && failure.code === 'invalid_file_format';
  if (!refused || say('cli.language') === 'en') return failure;
  const problems: string[] = [];
  let total = 0;
  for await (const problem of checkFile(path)) {
    if (problem.level !== 'error') continue;
    total += 1;
    if (total > TOLD) continue;
    problems.push(sentence(problem, basename(path), say));
  }
  if (total === 0) return failure; // the file has changed meanwhile, or the server checks more
  const { code, param } = failure;
  const message = say('upload.refused', { total, problems: problems.join('\n') });
  return new Failure(message, { code, param, cause: failure });
}

function sentence(problem: Problem, file: string, say: Say): string {
  const { line, path } = problem;
  const place = line === 0 ? file : say('prepare.place_line', { file, line });
  const where = path === '' ? place : `${place} ${path}`;
  return say('prepare.problem', { place: where, ...explain(problem, say) });
}
