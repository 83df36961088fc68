// A lease says which process works on a job and until when. A worker that stops renewing loses the job
// to the next one that asks; a worker that finds its lease gone stops.
import { newId } from '../lib/id.ts';
import type { Query } from '../store/database.ts';
import { claimNext, type JobStatus, releaseLease, renewLeases } from '../store/jobs.ts';
import { type Job, parseJob } from './job.ts';

export const LEASE_MS = 30_000;
export const RENEW_MS = 10_000; // two renewals may fail before a lease is lost

export type Leases = {
  /** The oldest job in one of these states that nobody holds. */
  readonly claim: (statuses: readonly JobStatus[]) => Promise<Job | null>;
  /** Ids of the jobs that are still held. */
  readonly renew: () => Promise<ReadonlySet<string>>;
  readonly release: (id: string) => Promise<void>;
};

export function leases(query: Query, now: () => number): Leases {
  const worker = newId('worker-');
  return {
    claim: async (statuses) => {
      const row = await claimNext(query, statuses, worker, now(), now() + LEASE_MS);
      return row === null ? null : parseJob(row);
    },
    renew: async () => new Set(await renewLeases(query, worker, now() + LEASE_MS)),
    release: (id) => releaseLease(query, id, worker),
  };
}
