// Many readers of one job's events: what each costs while nothing happens, and that all of them get every
// event once when something does.
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Args, count, cpu } from './parts/measure.ts';
import { residentMemory } from './parts/memory.ts';
import { seedEvents, seedJobs } from './parts/seed.ts';
import { type BenchServer, createJob, startBenchServer, TINY } from './parts/server.ts';

/** Options: --followers 1000, --events 50, --epochs 1 of a real job. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const followers = count(args, 'followers', 1000);
  const events = count(args, 'events', 50);
  const directory = mkdtempSync(join(tmpdir(), 'tunery-bench-followers-'));
  try {
    await seedJobs(directory, 1, 'paused');
    await seedEvents(directory, events);
    const server = await startBenchServer(TINY, directory);
    const idle = await idleFollowers(server, followers, events);
    const live = await liveFollowers(server, followers, count(args, 'epochs', 1));
    await server.close();
    return { idle, live, followers, cpu: cpu() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function idleFollowers(server: BenchServer, followers: number, events: number) {
  await Promise.all(open(server, 'ftjob-1', 20).map(async ({ close }) => close())); // warms up
  await sleep(2000);
  const before = residentMemory(server.pid);
  const all = open(server, 'ftjob-1', followers);
  while (all.some(({ seen }) => seen.length < events)) await sleep(100);
  await sleep(5000);
  const after = residentMemory(server.pid);
  await server.openai.fineTuning.jobs.cancel('ftjob-1');
  await Promise.all(all.map(({ ended }) => ended));
  return {
    added_mb: after - before,
    kb_per_follower: ((after - before) * 1024) / followers,
    ...told(all),
  };
}

async function liveFollowers(server: BenchServer, followers: number, epochs: number) {
  const id = await createJob(server, epochs);
  const started = performance.now();
  const all = open(server, id, followers);
  await Promise.all(all.map(({ ended }) => ended));
  return { seconds: (performance.now() - started) / 1000, ...told(all) };
}

type Follower = {
  /** Ids of events. */
  readonly seen: string[];
  readonly ended: Promise<void>;
  readonly close: () => void;
};

function open({ url }: BenchServer, job: string, followers: number): Follower[] {
  const agent = new Agent({ maxSockets: Infinity });
  return Array.from({ length: followers }, () => {
    const seen: string[] = [];
    const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
    const request = get(
      `${url}/fine_tuning/jobs/${job}/events?stream=true`,
      { agent },
      (response) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          const lines = (rest + piece).split('\n\n');
          rest = lines.pop()!;
          for (const line of lines)
            if (line.startsWith('data: {')) seen.push(JSON.parse(line.slice(6)).id);
        });
        response.on('end', resolve).on('error', reject);
      },
    );
    request.on('error', reject);
    ended.catch(() => {}); // `close` cuts it off
    return { seen, ended, close: () => void request.destroy() };
  });
}

function told(all: readonly Follower[]) {
  const events = all[0]!.seen.length;
  const wrong = all.filter(
    ({ seen }) => new Set(seen).size !== seen.length || seen.join() !== all[0]!.seen.join(),
  );
  return { events_each: events, followers_with_other_events: wrong.length };
}
