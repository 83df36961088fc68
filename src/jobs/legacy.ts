// What sets a legacy fine-tune (`/v1/fine-tunes`) apart from a job of today: its id, the name of its
// model, its result file. Everything else is one table, one scheduler and one trainer.
import type { Query } from '../store/database.ts';
import { outputModelTaken } from '../store/jobs.ts';
import { dashedSuffix } from './model-name.ts';

export const FINE_TUNE_PREFIX = 'ft-';
export const isFineTune = (jobId: string) => jobId.startsWith(FINE_TUNE_PREFIX);

/** `ada:ft-acme:my-suffix-2022-02-15-04-21-04`, without suffix `ada:ft-acme-2022-02-15-04-21-04`. */
export async function legacyModelName(
  query: Query,
  base: string,
  organization: string,
  suffix: string | null,
  at: number,
): Promise<string> {
  const dashed = dashedSuffix(suffix);
  const stem = `${base}:ft-${organization.replace(/^org-/, '')}${dashed === '' ? '' : `:${dashed}`}`;
  // Two fine-tunes of the same second must not share a name: the later one takes the next second.
  for (let second = at; ; second++) {
    const name = `${stem}-${timestamp(second)}`;
    if (!(await outputModelTaken(query, name))) return name;
  }
}

const timestamp = (unixSeconds: number) =>
  new Date(unixSeconds * 1000).toISOString().slice(0, 19).replace(/[T:]/g, '-');
