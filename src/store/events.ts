// Rows of the `fine_tuning_events` table. What is told once per job carries a `once` key.
import { newId } from '../lib/id.ts';
import type { Query } from './database.ts';
import { listPage, type Page, type PageRequest } from './page.ts';

export type EventRow = {
  readonly id: string;
  readonly seq: number;
  readonly job_id: string;
  readonly created_at: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly type: 'message' | 'metrics';
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>> | null;
};
export type NewEvent = Omit<EventRow, 'id' | 'seq'> & {
  /** A second event of the job with the same key is dropped. */
  readonly once?: string;
};

const COLUMNS = 'id, seq, job_id, created_at, level, type, message, data';

/** Null when the job already has an event with this `once` key. */
export async function insertEvent(query: Query, event: NewEvent): Promise<EventRow | null> {
  const { job_id, created_at, level, type, message, data, once = null } = event;
  const [row] = await query<EventRow>(
    `insert into fine_tuning_events (id, job_id, created_at, level, type, message, data, once)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (job_id, once) do nothing returning ${COLUMNS}`,
    [
      newId('ftevent-'),
      job_id,
      created_at,
      level,
      type,
      message,
      data === null ? null : JSON.stringify(data),
      once,
    ],
  );
  return row ?? null;
}

export function listEvents(
  query: Query,
  jobId: string,
  page: PageRequest,
): Promise<Page<EventRow>> {
  const listing = { table: 'fine_tuning_events', columns: COLUMNS, where: 'job_id = $1' };
  return listPage(query, { ...listing, params: [jobId] }, page);
}

/** Oldest first, from `seq` on; all of them where `limit` is null. */
export function eventsAfter(
  query: Query,
  jobId: string,
  seq: number,
  limit: number | null,
): Promise<EventRow[]> {
  return query(
    `select ${COLUMNS} from fine_tuning_events where job_id = $1 and seq > $2 order by seq limit $3`,
    [jobId, seq, limit],
  );
}

/** When something last happened to each of these jobs. */
export function lastEventTimes(
  query: Query,
  jobIds: readonly string[],
): Promise<{ readonly job_id: string; readonly at: number }[]> {
  return query(
    `select job_id, max(created_at) as at from fine_tuning_events
      where job_id = any($1) group by job_id`,
    [jobIds],
  );
}
