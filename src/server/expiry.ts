// Files uploaded with `expires_after` go when their time has come. Whoever looks at files calls this
// first, so that an expired file is never seen; a timer in start.ts frees the disk meanwhile.
import { unixSeconds } from '../lib/clock.ts';
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
