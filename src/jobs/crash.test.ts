// The real trainer on the bundled tiny model, killed at several points: the job goes on by itself and
// ends with the adapter, bit for bit, of a run that nobody disturbed.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { openStore, type Store } from '../store/store.ts';
import { addFile, temporaryFolder, temporaryStore } from '../testing/temporary-store.ts';
import { createJobs, type Jobs } from './jobs.ts';
import { Hyperparameters, TrainingOptions } from './protocol.ts';

const models = fileURLToPath(new URL('../../assets/models', import.meta.url));
const jobServer = fileURLToPath(new URL('../testing/job-server.ts', import.meta.url));
const STEPS = 12;
const rows = Array.from({ length: 12 }, (_, i) =>
  JSON.stringify({ prompt: `Once upon a time ${i}`, completion: ` there was a cat named ${i}.` }),
).join('\n');

async function open(directory: string): Promise<{ store: Store; jobs: Jobs }> {
  const store = await openStore(directory);
  onTestFinished(() => store.close());
  return { store, jobs: await jobsOn(store) };
}

async function jobsOn(store: Store): Promise<Jobs> {
  const jobs = createJobs({
    store,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    score: async (_base, _adapter, ids) => ids.slice(1).map(() => -3),
    parityThreshold: 1000, // no model host here: what is served is tested elsewhere
    modelsDirs: [models],
    organization: 'org-acme',
    retryMs: 1,
  });
  onTestFinished(() => jobs.close());
  return jobs;
}

async function create(store: Store, jobs: Jobs) {
  const { id } = await addFile(store, rows);
  return await jobs.create({
    model: 'stories260k',
    training_file: id,
    validation_file: null,
    hyperparameters: Hyperparameters.parse({ n_epochs: 2, batch_size: 2 }),
    options: TrainingOptions.parse({ checkpoint_seconds: 0.001, threads: 1, precision: 'f32' }),
    suffix: null,
    seed: 5,
    metadata: null,
  });
}

const trainer = (store: Store, id: string) =>
  Number(readFileSync(join(store.directory, 'jobs', id, 'lock.pid'), 'utf8'));

/** The adapter's bytes; `killAt`: steps after whose event the trainer is killed. */
async function train(store: Store, jobs: Jobs, id: string, killAt: readonly number[] = []) {
  const left = new Set(killAt);
  const steps: number[] = [];
  let deaths = 0;
  for await (const { type, data, message } of jobs.follow(id, new AbortController().signal)) {
    if (message === 'Fine-tuning job started' && left.delete(0)) kill(store, id);
    if (message.includes('was killed by SIGKILL')) deaths += 1;
    if (type !== 'metrics') continue;
    steps.push(Number(data?.['step']));
    if (left.delete(Number(data?.['step']))) kill(store, id);
  }
  const job = await jobs.get(id);
  expect(job.error).toBe(null);
  // The last step's event may come when the trainer has ended by itself.
  expect(deaths).toBeGreaterThanOrEqual(Math.max(0, killAt.length - 1));
  expect(steps).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  const resolved = await jobs.resolve(job.fine_tuned_model!);
  return readFileSync(resolved!.adapter!.path);
}

function kill(store: Store, id: string): void {
  try {
    process.kill(trainer(store, id), 'SIGKILL');
  } catch {
    // between two children: nothing to kill
  }
}

test('a trainer that is killed at several points ends with the same adapter', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  await jobs.start();
  const [calm, disturbed] = [await create(store, jobs), await create(store, jobs)];
  const expected = await train(store, jobs, calm.id);
  const adapter = await train(store, jobs, disturbed.id, [0, 2, 6, 11]);
  expect(adapter.equals(expected)).toBe(true);
});

test('a job survives kill -9 of its server', async () => {
  const directory = join(await temporaryFolder(), 'data');
  const before = await open(directory);
  const calm = await create(before.store, before.jobs);
  await before.jobs.start();
  const expected = await train(before.store, before.jobs, calm.id);
  await before.jobs.close();
  const job = await create(before.store, before.jobs);
  await before.store.close();
  const server = fork(jobServer, [directory, models]);
  await once(server, 'message');
  await expect(openStore(directory)).rejects.toMatchObject({ code: 'data_directory_in_use' });
  await journalHas(directory, job.id, 2);
  server.kill('SIGKILL');
  await once(server, 'exit');
  const after = await open(directory);
  await after.jobs.start();
  const adapter = await train(after.store, after.jobs, job.id);
  expect(adapter.equals(expected)).toBe(true);
});

/** The trainer's own record says that it has come so far. */
async function journalHas(directory: string, id: string, step: number): Promise<void> {
  while (true) {
    try {
      const text = readFileSync(join(directory, 'jobs', id, 'steps.jsonl'), 'utf8');
      if (text.split('\n').length > step) return;
    } catch {
      // not begun yet
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
