// How readers follow a job live. Whoever commits something about a job rings; a thousand readers that
// wake by it share one look into the database.
import type { Query } from '../store/database.ts';
import { type EventRow, eventsAfter } from '../store/events.ts';
import { type JobStatus, jobStatus } from '../store/jobs.ts';
import { isTerminal, jobNotFound } from './job.ts';

export type Bell = {
  /** To be called after the commit. */
  readonly ring: (jobId: string) => void;
  /** Listens from now on; `stop` it when its ring is not awaited any more. */
  readonly listen: (jobId: string, signal: AbortSignal) => Listening;
  /** `read`, or what the same reading has answered since the last ring, a moment ago. */
  readonly share: <T>(jobId: string, key: string, read: () => Promise<T>) => Promise<T>;
};

export type Listening = {
  /** Resolves at the next ring for the job, or when the signal aborts. */
  readonly rung: Promise<void>;
  readonly stop: () => void;
};

const SHARED_MS = 2000; // nothing has changed without a ring, but memory is not for replays

export function createBell(): Bell {
  const waiting = new Map<string, Set<() => void>>();
  const readings = new Map<string, Map<string, Promise<unknown>>>();
  return {
    ring: (jobId) => {
      readings.delete(jobId); // they may not have seen what is rung for
      const woken = waiting.get(jobId);
      waiting.delete(jobId);
      for (const wake of woken ?? []) wake();
    },
    listen: (jobId, signal) => {
      const { promise: rung, resolve } = Promise.withResolvers<void>();
      const sleepers = waiting.get(jobId) ?? new Set();
      waiting.set(jobId, sleepers);
      const stop = () => {
        signal.removeEventListener('abort', stop);
        sleepers.delete(stop);
        if (sleepers.size === 0 && waiting.get(jobId) === sleepers) waiting.delete(jobId);
        resolve();
      };
      sleepers.add(stop);
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      return { rung, stop };
    },
    share: <T>(jobId: string, key: string, read: () => Promise<T>) => {
      const shared = readings.get(jobId) ?? new Map<string, Promise<unknown>>();
      readings.set(jobId, shared);
      const known = shared.get(key);
      if (known !== undefined) return known as Promise<T>;
      const reading = read();
      const forget = () => {
        if (shared.get(key) === reading) shared.delete(key);
        if (shared.size === 0 && readings.get(jobId) === shared) readings.delete(jobId);
      };
      setTimeout(forget, SHARED_MS).unref();
      reading.catch(forget);
      shared.set(key, reading);
      return reading;
    },
  };
}

const BATCH = 200; // events per query

type News = { readonly status: JobStatus | null; readonly events: readonly EventRow[] };

/** All events of a job from the first, then live ones, each once, until the job has ended. */
export async function* follow(
  query: Query,
  bell: Bell,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<EventRow> {
  for await (const group of followGroups(query, bell, jobId, signal)) yield* group;
}

/** The same in groups as they come; readers that are equally far get the same array. */
export async function* followGroups(
  query: Query,
  bell: Bell,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<readonly EventRow[]> {
  let seq = 0;
  const read = async (): Promise<News> => {
    // The state first: a job seen as ended has no more events than are read after it.
    const status = await jobStatus(query, jobId);
    return { status, events: await eventsAfter(query, jobId, seq, BATCH) };
  };
  while (!signal.aborted) {
    // Listen before reading: what is committed after the reading rings.
    const { rung, stop } = bell.listen(jobId, signal);
    try {
      const { status, events } = await bell.share(jobId, String(seq), read);
      if (status === null) throw jobNotFound(jobId);
      if (events.length > 0) yield events;
      seq = events.at(-1)?.seq ?? seq;
      if (events.length === BATCH) continue;
      if (isTerminal(status)) return;
      await rung;
    } finally {
      stop();
    }
  }
}
