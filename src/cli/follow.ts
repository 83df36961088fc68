// Follows a job to its end over the event stream. A stream that breaks is opened again and what was
// seen already is skipped, so that a restart of the server does not end it.
import { setTimeout as sleep } from 'node:timers/promises';
import { retell } from '../messages/retell.ts';
import type { Cli } from './cli.ts';
import type { Client } from './client.ts';
import { Failure } from './failure.ts';
import { isTerminal, Job, JobEvent } from './wire.ts';

const PATIENCE_MS = 60_000; // a server that restarts is back well before
const RETRY_MS = 500;

export async function* follow(
  client: Client,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<JobEvent, Job> {
  const path = `/fine_tuning/jobs/${encodeURIComponent(id)}`;
  const seen = new Set<string>();
  let silentSince = Date.now();
  for (;;) {
    try {
      for await (const event of client.events(`${path}/events?stream=true`, JobEvent)) {
        silentSince = Date.now();
        if (!seen.has(event.id)) yield event;
        seen.add(event.id);
      }
      const job = await client.get(path, Job);
      if (isTerminal(job)) return job;
      silentSince = Date.now();
    } catch (error) {
      const gone = error instanceof Failure && error.exitCode === 3;
      // The very first connection must work: a wrong address should not be tried for a minute.
      if (!gone || seen.size === 0 || Date.now() - silentSince > PATIENCE_MS) throw error;
    }
    await sleep(RETRY_MS, undefined, { signal });
  }
}

/** Throws a Failure unless the job succeeded. */
export function requireSuccess(cli: Cli, job: Job): string {
  if (job.status === 'succeeded' && job.fine_tuned_model !== null) return job.fine_tuned_model;
  if (job.status === 'cancelled') {
    throw new Failure(cli.say('job.cancelled'), { code: 'cancelled' });
  }
  const { code = null, message = null } = job.error ?? {};
  const params = { code: code ?? job.status, message: retell(message ?? '', cli.say) };
  throw new Failure(cli.say('job.failed', params), { code: code ?? null });
}
