// Rows of the `fine_tuning_steps` table: what was measured at each step, under the wire's names.
import type { Query } from './database.ts';

export type StepRow = {
  readonly step: number;
  readonly metrics: Readonly<Record<string, number>>;
};

/** False when the step was recorded before: a run that resumed comes past it again. */
export async function insertStep(query: Query, jobId: string, { step, metrics }: StepRow) {
  const rows = await query(
    `insert into fine_tuning_steps (job_id, step, metrics) values ($1, $2, $3)
     on conflict do nothing returning step`,
    [jobId, step, JSON.stringify(metrics)],
  );
  return rows.length > 0;
}

export function listSteps(query: Query, jobId: string): Promise<StepRow[]> {
  return query('select step, metrics from fine_tuning_steps where job_id = $1 order by step', [
    jobId,
  ]);
}
