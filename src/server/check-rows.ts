// The check of every row of a training file before it is accepted, however its bytes arrived.
import { checkFile } from '../data/check.ts';
import { describe, type Problem } from '../data/problems.ts';
import { invalidRows } from './errors.ts';

const TOLD = 5; // problems that the answer names; the count tells of the others

/** Throws ApiError that names the first problems; files of another purpose are taken as they are. */
export async function checkRows(purpose: string, path: string): Promise<void> {
  if (purpose !== 'fine-tune') return;
  const first: Problem[] = [];
  let total = 0;
  for await (const problem of checkFile(path)) {
    // Which format a job wants is not known here: rows of several fail the job, as in the original.
    if (problem.level !== 'error' || problem.key === 'data.mixed') continue;
    total += 1;
    if (first.length < TOLD) first.push(problem);
  }
  if (total > 0) throw invalidRows(first.map(describe), total);
}
