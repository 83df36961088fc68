// Turns waiting jobs into running children: validates one file set at a time, trains as many jobs as
// there are trainers, and goes on with what a killed server left behind.
import { releaseAllLeases } from '../store/jobs.ts';
import { describe, failJob } from './fail-job.ts';
import type { Job } from './job.ts';
import { Stopped } from './launcher/launch.ts';
import { leases, RENEW_MS } from './lease.ts';
import type { Parts } from './parts.ts';
import { prepareJob } from './prepare-job.ts';
import { trainJob } from './train-job.ts';

export type Scheduler = {
  readonly start: () => Promise<void>;
  /** Something may be there to do. */
  readonly wake: () => void;
  /** Stops the job's child, if it has one; resolves when the child is gone. */
  readonly stop: (jobId: string, reason: Stopped) => Promise<void>;
  readonly close: () => Promise<void>;
};

type Lane = {
  readonly statuses: readonly Job['status'][];
  readonly width: number;
  readonly work: (parts: Parts, job: Job, signal: AbortSignal) => Promise<void>;
};
type Active = {
  readonly lane: Lane;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
};

const CLOSE_GRACE_MS = 5000; // time to write a checkpoint before the server goes

export function scheduler(parts: Parts): Scheduler {
  const { database } = parts.store;
  const { claim, renew, release } = leases(database.query, parts.now);
  const lanes: readonly Lane[] = [
    { statuses: ['validating_files'], width: 1, work: prepareJob },
    { statuses: ['running', 'queued'], width: parts.trainers, work: trainJob },
  ];
  const active = new Map<string, Active>();
  let open = false;
  let ticks: Promise<void> = Promise.resolve();

  async function tick(): Promise<void> {
    if (!open) return;
    const held = await renew();
    for (const [id, { stop }] of active) {
      if (!held.has(id)) stop.abort(new Stopped('the lease was lost', 0));
    }
    for (const lane of lanes) {
      while (open && [...active.values()].filter((one) => one.lane === lane).length < lane.width) {
        const job = await claim(lane.statuses);
        if (job === null) break;
        begin(lane, job);
      }
    }
  }

  function begin(lane: Lane, job: Job): void {
    const stop = new AbortController();
    const one: Active = {
      lane,
      stop,
      ended: run(lane, job, stop.signal).finally(() => {
        // Paused and resumed meanwhile, the job may be somebody else's already.
        if (active.get(job.id) === one) active.delete(job.id);
        wake();
      }),
    };
    active.set(job.id, one);
  }

  async function run(lane: Lane, job: Job, signal: AbortSignal): Promise<void> {
    try {
      await lane.work(parts, job, signal).catch((error) => unexpected(job, error));
      await release(job.id);
    } catch (error) {
      // Not even the failure could be written. The lease stays, so that its end is the next attempt.
      parts.log.error({ event: 'job.fail', jobId: job.id, err: error });
    }
  }

  async function unexpected(job: Job, error: unknown): Promise<void> {
    if (error instanceof Stopped) return;
    parts.log.error({ event: 'job.fail', jobId: job.id, err: error });
    await failJob(parts, job.id, describe(error));
  }

  const wake = () => {
    ticks = ticks.then(tick).catch((error) => {
      parts.log.error({ event: 'scheduler.fail', err: error });
    });
  };
  const timer = setInterval(wake, RENEW_MS).unref();
  const stop = async (jobId: string, reason: Stopped) => {
    const one = active.get(jobId);
    one?.stop.abort(reason);
    await one?.ended;
  };
  return {
    start: async () => {
      // The data directory's lock says that no other server holds these.
      await releaseAllLeases(database.query);
      open = true;
      wake();
    },
    wake,
    stop,
    close: async () => {
      open = false;
      clearInterval(timer);
      await ticks;
      const reason = new Stopped('the server closes', CLOSE_GRACE_MS);
      await Promise.all([...active.keys()].map((id) => stop(id, reason)));
    },
  };
}
