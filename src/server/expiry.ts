// Files uploaded with `expires_after` go when their time has come, and so do uploads that nobody
// completes. Whoever looks at them calls this first, so that nothing expired is ever seen; `sweep` frees
// the disk meanwhile.
import { unixSeconds } from '../lib/clock.ts';
import { expireUploads, removeParts, removeStrayParts } from '../store/uploads.ts';
import { removeOldAnswers } from './data-answers.ts';
import type { Deps } from './deps.ts';

export async function removeExpired({
  store,
  jobs,
  clock,
}: Pick<Deps, 'store' | 'jobs' | 'clock'>) {
  const expired = await store.database.query<{ id: string }>(
    'select id from files where expires_at <= $1',
    [unixSeconds(clock.now())],
  );
  // A job has its own link to the bytes it was created with, so that nothing is taken from it.
  for (const { id } of expired) await jobs.deleteFile(id);
}

/** Does not need the bytes to be gone: parts of an ended upload are read by nobody. */
export async function removeExpiredUploads({ store, clock }: Pick<Deps, 'store' | 'clock'>) {
  const { database, blobs } = store;
  const now = unixSeconds(clock.now());
  const expired = await blobs.exclusive(() => expireUploads(database.query, now));
  for (const id of expired) await removeParts(store, id);
}

const SWEEP_MS = 60_000;

/** Removes what expires from now on; returns how to stop. */
export function sweep(deps: Pick<Deps, 'store' | 'jobs' | 'clock' | 'log'>): () => void {
  const watched = (work: Promise<unknown>) =>
    work.catch((error: unknown) => deps.log.error({ err: error }, 'expiry.fail'));
  void watched(removeStrayParts(deps.store));
  const timer = setInterval(() => {
    void watched(
      Promise.all([
        removeExpired(deps),
        removeExpiredUploads(deps),
        removeOldAnswers(deps.store.directory, deps.clock.now()),
      ]),
    );
  }, SWEEP_MS);
  return () => clearInterval(timer);
}
