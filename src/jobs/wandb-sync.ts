// Sends the metrics of jobs to Weights & Biases while they are trained. Everything that is sent is read
// from the job's events, so that a restart begins again and arrives at the same run; training never waits
// for it, and a server that is away costs the job a warning only.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../lib/log.ts';
import { type EventRow, eventsAfter } from '../store/events.ts';
import { closeIntegrations, getJob, jobsWithOpenIntegrations } from '../store/jobs.ts';
import type { Store } from '../store/store.ts';
import { type JobEvent, message, warning } from './events.ts';
import type { Bell } from './follow.ts';
import { runOf } from './integration.ts';
import { isTerminal, type Job, parseJob, tell } from './job.ts';
import { type WandbConnection, WandbRefused, type WandbServer, wandbConnection } from './wandb.ts';

export type IntegrationSync = {
  /** Follows the job until all is sent. */
  readonly begin: (jobId: string) => void;
  /** Goes on with what a stopped server left. */
  readonly start: () => Promise<void>;
  readonly close: () => Promise<void>;
};

type Options = {
  readonly store: Store;
  readonly bell: Bell;
  readonly log: Log;
  readonly seconds: () => number;
  /** Null: not configured. */
  readonly server: WandbServer | null;
  /** Between two deliveries, and before the first new attempt of a failed one. */
  readonly paceMs: number;
};

export function wandbSync(options: Options): IntegrationSync {
  const { store, log, server } = options;
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const begin = (jobId: string) => {
    if (server === null || stop.signal.aborted) return;
    const connection = wandbConnection(server, stop.signal);
    const work = followJob(options, connection, jobId, stop.signal)
      .catch((err: unknown) => {
        if (!stop.signal.aborted) log.error({ event: 'wandb.fail', jobId, err });
      })
      .finally(() => running.delete(work));
    running.add(work);
  };
  return {
    begin,
    start: async () => {
      const left = await jobsWithOpenIntegrations(store.database.query);
      if (server === null && left.length > 0)
        log.warn({ event: 'wandb.unset', jobs: left.length }, 'WANDB_BASE_URL is not set any more');
      for (const id of left) begin(id);
    },
    close: async () => {
      stop.abort();
      await Promise.all(running);
    },
  };
}

async function followJob(
  options: Options,
  connection: WandbConnection,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const { query } = options.store.database;
  const job = await beganTraining(options, jobId, signal);
  if (job === null) return; // the server closes
  const deliveries =
    job.started_at === null ? [] : job.integrations.map((one, i) => ({ run: runOf(one, job, i) }));
  const sent = await Promise.all(
    deliveries.map(({ run }) => deliver(options, connection, run, job, signal)),
  );
  if (sent.every((done) => done)) await closeIntegrations(query, jobId);
}

/** The job once its numbers are known: a run has them in its configuration. */
async function beganTraining(
  { store, bell }: Options,
  jobId: string,
  signal: AbortSignal,
): Promise<Job | null> {
  while (!signal.aborted) {
    const { rung, stop } = bell.listen(jobId, signal);
    try {
      const row = await getJob(store.database.query, jobId);
      if (row === null) return null;
      if (row.started_at !== null || isTerminal(row.status)) return parseJob(row);
      await rung;
    } finally {
      stop();
    }
  }
  return null;
}

const BATCH = 500; // lines of a request

/** True when there is nothing left to send. */
async function deliver(
  options: Options,
  connection: WandbConnection,
  run: ReturnType<typeof runOf>,
  job: Job,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, bell, seconds, paceMs } = options;
  const { query } = store.database;
  const insist = <T>(work: () => Promise<T>) => persevere(options, job.id, work, signal);
  try {
    const place = await insist(() => connection.begin(run, configOf(job)));
    const page = connection.pageOf(place);
    await say(
      options,
      job.id,
      message(seconds(), `Weights & Biases run: ${page}`, `wandb/${run.id}`),
    );
    let seq = 0;
    let offset = 0;
    let summary: object = {};
    while (!signal.aborted) {
      const { rung, stop } = bell.listen(job.id, signal);
      try {
        const now = await getJob(query, job.id);
        if (now === null) return true; // deleted
        const events = await eventsAfter(query, job.id, seq, BATCH);
        const steps = events.filter(({ type }) => type === 'metrics');
        if (steps.length > 0) {
          const lines = steps.map(lineOf);
          await insist(() => connection.send(place, offset, lines));
          offset += lines.length;
          summary = JSON.parse(lines.at(-1)!);
        }
        seq = events.at(-1)?.seq ?? seq;
        if (events.length === BATCH) continue;
        if (isTerminal(now.status)) {
          const model = { status: now.status, fine_tuned_model: now.fine_tuned_model };
          await insist(() => connection.end(place, { ...summary, ...model }, exitCode(now.status)));
          return true;
        }
        await rung;
        await sleep(paceMs, undefined, { signal }).catch(() => {}); // steps of a small model are many
      } finally {
        stop();
      }
    }
    return false;
  } catch (error) {
    if (signal.aborted) return false;
    if (!(error instanceof WandbRefused)) throw error;
    const text = `Weights & Biases refused the run '${run.displayName}': ${error.message}. The job goes on without it.`;
    await say(options, job.id, warning(seconds(), text));
    options.log.warn({ event: 'wandb.refused', jobId: job.id, err: error });
    return true; // it will not change its mind
  }
}

const LONGEST_WAIT_MS = 60_000;

/** Tries again until the server answers; a day later it gives up. */
async function persevere<T>(
  options: Options,
  jobId: string,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { paceMs, seconds } = options;
  for (let wait = paceMs, tries = 1; ; wait = Math.min(LONGEST_WAIT_MS, 2 * wait), tries++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || error instanceof WandbRefused) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (tries > MOST_TRIES) throw new WandbRefused(reason);
      const text = `Weights & Biases cannot be reached: ${reason}. The metrics are kept and sent later.`;
      await say(options, jobId, { ...warning(seconds(), text), once: 'wandb/away' });
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }
}
const MOST_TRIES = 1440;

/** A job that has ended has said its last word. */
async function say({ store, bell }: Options, jobId: string, event: JobEvent): Promise<void> {
  await store.database.transaction(async (query) => {
    const job = await getJob(query, jobId);
    if (job !== null && !isTerminal(job.status)) await tell(query, jobId, [event]);
  });
  bell.ring(jobId);
}

const configOf = (job: Job) => ({
  job_id: job.id,
  model: job.model,
  training_file: job.training_file,
  validation_file: job.validation_file,
  seed: job.seed,
  ...(job.plan?.hyperparameters ?? job.hyperparameters),
  tunery: job.options,
});

/** One line of the history: what the event told, and when. */
function lineOf({ data, created_at }: EventRow): string {
  const { step, ...metrics } = data ?? {};
  return JSON.stringify({ _step: step, _timestamp: created_at, ...metrics });
}

const exitCode = (status: Job['status']) =>
  status === 'succeeded' ? 0 : status === 'cancelled' ? 255 : 1;
