// Rows of the `fine_tune_files` table: the files of a legacy fine-tune as they were when it took them.
import type { Query } from './database.ts';
import type { FileRow } from './files.ts';

export type FineTuneFileRole = 'training' | 'validation' | 'result';
export type FineTuneFile = Omit<FileRow, 'sha256' | 'expires_at'> & {
  readonly job_id: string;
  readonly role: FineTuneFileRole;
  /** The file itself is gone. */
  readonly deleted: boolean;
};

export async function insertFineTuneFile(
  query: Query,
  jobId: string,
  role: FineTuneFileRole,
  { id, created_at, filename, purpose, bytes }: FileRow,
): Promise<void> {
  await query(
    `insert into fine_tune_files (job_id, role, id, created_at, filename, purpose, bytes)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [jobId, role, id, created_at, filename, purpose, bytes],
  );
}

export function filesOfFineTunes(query: Query, jobIds: readonly string[]): Promise<FineTuneFile[]> {
  return query(
    `select t.job_id, t.role, t.id, t.created_at, t.filename, t.purpose, t.bytes,
            f.id is null as deleted
       from fine_tune_files t left join files f on f.id = t.id
      where t.job_id = any($1) order by t.seq`,
    [jobIds],
  );
}
