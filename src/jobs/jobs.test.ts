// Jobs through the façade that the server calls, with real children that keep to the protocol.
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { getFile } from '../store/files.ts';
import { openStore, type Store } from '../store/store.ts';
import type { Script } from '../testing/pretend-worker.ts';
import { addFile, temporaryFolder, temporaryStore } from '../testing/temporary-store.ts';
import { createJobs, type Job, type Jobs, type JobsOptions } from './jobs.ts';
import { launchProcess } from './launcher/process.ts';
import { Hyperparameters, TrainingOptions } from './protocol.ts';

const launch = launchProcess(new URL('../testing/pretend-worker.ts', import.meta.url));

async function jobsOn(store: Store, options: Partial<JobsOptions> = {}): Promise<Jobs> {
  await mkdir(join(store.directory, 'models'), { recursive: true });
  await writeFile(join(store.directory, 'models', 'Tiny-1M.Q4_1.gguf'), 'GGUF and no more');
  const jobs = createJobs({
    store,
    clock: systemClock,
    log: pino({ level: 'silent' }),
    score: async () => [-1.01, -2.01],
    modelsDirs: [],
    organization: 'org-acme',
    retryMs: 1,
    launch,
    ...options,
  });
  await jobs.start();
  onTestFinished(() => jobs.close());
  return jobs;
}

async function create(store: Store, jobs: Jobs, script: Script, more: { suffix?: string } = {}) {
  const { id } = await addFile(store, JSON.stringify(script));
  return await jobs.create({
    model: 'tiny-1m',
    training_file: id,
    validation_file: null,
    hyperparameters: Hyperparameters.parse({}),
    options: TrainingOptions.parse({}),
    suffix: more.suffix ?? null,
    seed: null,
    metadata: null,
  });
}

const never = new AbortController().signal;

async function toTheEnd(jobs: Jobs, id: string): Promise<string[]> {
  const messages: string[] = [];
  for await (const { message } of jobs.follow(id, never)) messages.push(message);
  return messages;
}

async function until(jobs: Jobs, id: string, reached: (job: Job) => boolean): Promise<Job> {
  while (true) {
    const job = await jobs.get(id);
    if (reached(job)) return job;
    if (job.error !== null) throw new Error(job.error.message);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const stepsIn = (messages: readonly string[]) =>
  messages.filter((text) => text.startsWith('Step ')).map((text) => Number(/\d+/.exec(text)?.[0]));

test('a job goes from its files to a model and tells each step once, in order', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, {}, { suffix: 'My support  bot!' });
  expect(job).toMatchObject({ status: 'validating_files', error: null, plan: null });
  const messages = await toTheEnd(jobs, job.id);
  const done = await jobs.get(job.id);
  expect(done.error).toBe(null);
  expect(done.status).toBe('succeeded');
  expect(done.fine_tuned_model).toMatch(/^ft:tiny-1m:acme:my-support-bot:[A-Za-z0-9]{8}$/);
  expect(messages.map((text) => text.replace(done.fine_tuned_model!, 'MODEL'))).toEqual([
    `Created fine-tuning job: ${job.id}`,
    `Validating training file: ${job.training_file}`,
    expect.stringMatching(/^Plan: 10 training rows/),
    'Files validated, moving job to queued state',
    'Fine-tuning job started',
    'Step 1/6: training loss=1.00',
    'Step 2/6: training loss=0.50',
    'Step 3/6: training loss=0.33',
    'Checkpoint created at step 3: MODEL:ckpt-step-3',
    'Step 4/6: training loss=0.25',
    'Step 5/6: training loss=0.20',
    'Step 6/6: training loss=0.17',
    'New fine-tuned model created: MODEL',
    'The job has successfully completed',
  ]);
  expect(await toTheEnd(jobs, job.id)).toEqual(messages);
  expect(done.plan?.hyperparameters.n_epochs).toBe(2);
  expect(done).toMatchObject({ trained_tokens: 200, estimated_finish: null, step: 6 });
  expect(done.parity).toMatchObject({ rows: 1, tokens: 2, threshold: 1 });
  expect(done.parity?.mean_abs_diff).toBeCloseTo(0.01, 9);
  const result = await getFile(store.database.query, done.result_files[0]!);
  expect(result).toMatchObject({ purpose: 'fine-tune-results', filename: 'step_metrics.csv' });
  expect(readFileSync(store.blobs.path(result!.sha256), 'utf8').split('\n').slice(0, 4)).toEqual([
    'step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy',
    '1,1,0.5,,,,',
    '2,0.5,0.5,,,,',
    '3,0.33333,0.5,,,,',
  ]);
});

test('the new model and its checkpoints resolve at once, at any strength', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, {});
  await toTheEnd(jobs, job.id);
  const name = (await jobs.get(job.id)).fine_tuned_model!;
  expect(name).toMatch(/^ft:tiny-1m:acme::[A-Za-z0-9]{8}$/);
  const base = join(store.directory, 'models', 'Tiny-1M.Q4_1.gguf');
  const path = join(store.directory, 'jobs', job.id, 'result', 'adapter.gguf');
  const resolved = { id: name, base, baseId: 'tiny-1m', adapter: { path, scale: 1 } };
  expect(await jobs.resolve(name)).toEqual(resolved);
  expect(await jobs.resolve(`${name}@0.6`)).toEqual({ ...resolved, adapter: { path, scale: 0.6 } });
  expect((await jobs.resolve(`${name}:ckpt-step-3`))?.adapter?.path).toMatch(/half.adapter\.gguf$/);
  for (const alias of ['tiny-1m', 'TINY-1M.q4_1', 'Tiny-1M.Q4_1.gguf']) {
    expect(await jobs.resolve(alias)).toEqual({
      id: 'tiny-1m',
      base,
      baseId: 'tiny-1m',
      adapter: null,
    });
  }
  expect(await jobs.resolve('unknown')).toBe(null);
  expect((await jobs.models()).map(({ kind }) => kind)).toEqual([
    'base',
    'fine-tuned',
    'checkpoint',
  ]);
  await expect(jobs.deleteModel('tiny-1m')).rejects.toThrow(/is used by ft:tiny-1m/);
  await jobs.deleteModel(name);
  expect(await jobs.resolve(name)).toBe(null);
  expect(existsSync(path)).toBe(false);
  expect(await jobs.resolve(`${name}:ckpt-step-3`)).not.toBe(null);
});

test('a second job waits while the first trains, and says so', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const first = await create(store, jobs, { steps: 100, msPerStep: 50 });
  // Known once the first step has been timed.
  await until(jobs, first.id, ({ estimated_finish }) => estimated_finish !== null);
  const second = await create(store, jobs, { steps: 2 });
  await until(jobs, second.id, ({ status }) => status === 'queued');
  expect((await jobs.get(first.id)).status).toBe('running');
  expect(await toTheEnd(jobs, second.id)).toContain('Waiting: 1 job ahead');
  expect((await jobs.get(first.id)).status).toBe('succeeded');
});

test('a child that dies is started again and no step is told twice', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, { crashAt: 4 });
  const messages = await toTheEnd(jobs, job.id);
  expect((await jobs.get(job.id)).status).toBe('succeeded');
  expect(stepsIn(messages)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(messages.filter((text) => /killed by SIGKILL/.test(text))).toHaveLength(1);
});

test('a child that always dies at the same place fails the job with what to do', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, { crashAt: 4, crashAlways: true });
  const messages = await toTheEnd(jobs, job.id);
  const { status, error } = await jobs.get(job.id);
  expect(status).toBe('failed');
  expect(error).toMatchObject({ code: 'worker_crashed', param: null });
  expect(error?.message).toMatch(/died 4 times without getting further.*lower batch_size/);
  expect(stepsIn(messages)).toEqual([1, 2, 3]);
});

test('what the child refuses becomes the error of the job', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, { fail: 'invalid_n_examples' });
  await toTheEnd(jobs, job.id);
  expect(await jobs.get(job.id)).toMatchObject({
    status: 'failed',
    error: {
      code: 'invalid_n_examples',
      message: 'The training file is bad.',
      param: 'training_file',
    },
    fine_tuned_model: null,
    result_files: [],
  });
});

test('cut rows are named with the tokens that were lost', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const cut = [{ file: 'training.jsonl', line: 7, tokens: 90, lost: 26 }];
  const job = await create(store, jobs, { cut });
  expect(await toTheEnd(jobs, job.id)).toContain(
    `1 row(s) are longer than the training context of 64 tokens and were cut at the end, 26 tokens in all: line 7 of ${job.training_file} (90 tokens, 26 lost)`,
  );
});

test('a cancelled job is cancelled at once, its child is gone and the next one starts', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, { steps: 1000, msPerStep: 20 });
  await until(jobs, job.id, ({ step }) => step > 1);
  const pid = Number(readFileSync(join(store.directory, 'jobs', job.id, 'train.pid'), 'utf8'));
  expect((await jobs.cancel(job.id)).status).toBe('cancelled');
  expect((await toTheEnd(jobs, job.id)).at(-1)).toBe('Fine-tuning job cancelled');
  await expect(jobs.cancel(job.id)).rejects.toThrow(/has already been cancelled/);
  const next = await create(store, jobs, { steps: 2 });
  await toTheEnd(jobs, next.id);
  expect((await jobs.get(next.id)).status).toBe('succeeded');
  expect(() => process.kill(pid, 0)).toThrow();
});

test('a paused job keeps its place and goes on from its checkpoint', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, { steps: 30, msPerStep: 20 });
  await until(jobs, job.id, ({ step }) => step > 2);
  expect(await jobs.pause(job.id)).toMatchObject({ status: 'paused', estimated_finish: null });
  const { step } = await jobs.get(job.id);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await jobs.get(job.id)).toMatchObject({ status: 'paused', step });
  expect((await jobs.resume(job.id)).status).toBe('queued');
  const messages = await toTheEnd(jobs, job.id);
  expect((await jobs.get(job.id)).status).toBe('succeeded');
  expect(stepsIn(messages)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
});

test('a job goes on when its server comes back, beside no orphan', async () => {
  const folder = join(await temporaryFolder(), 'data');
  const first = await openStore(folder);
  const before = await jobsOn(first);
  const job = await create(first, before, { steps: 10, msPerStep: 30, stubbornMs: 60_000 });
  await until(before, job.id, ({ step }) => step > 2);
  const pid = Number(readFileSync(join(folder, 'jobs', job.id, 'train.pid'), 'utf8'));
  await before.close();
  await first.close();
  const store = await openStore(folder);
  onTestFinished(() => store.close());
  const jobs = await jobsOn(store);
  expect((await jobs.get(job.id)).status).toBe('running');
  const messages = await toTheEnd(jobs, job.id);
  expect((await jobs.get(job.id)).status).toBe('succeeded');
  expect(stepsIn(messages)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
  expect(() => process.kill(pid, 0)).toThrow();
});

test('a model that is served differently from how it was trained is not registered', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store, { score: async () => [-2.5, -3.5] });
  const job = await create(store, jobs, {});
  await toTheEnd(jobs, job.id);
  const { status, error, parity, fine_tuned_model } = await jobs.get(job.id);
  expect({ status, fine_tuned_model }).toEqual({ status: 'failed', fine_tuned_model: null });
  expect(error?.code).toBe('parity_failed');
  expect(parity).toEqual({ rows: 1, tokens: 2, mean_abs_diff: 1.5, threshold: 1 });
});

test('a base model that disappears before the model is served is what the failure names', async () => {
  const store = await temporaryStore();
  const score = async () => {
    throw new CodedError('model_file_missing', 'gone', { status: 500 });
  };
  const jobs = await jobsOn(store, { score });
  const job = await create(store, jobs, {});
  await toTheEnd(jobs, job.id);
  const { error } = await jobs.get(job.id);
  expect(error).toMatchObject({
    code: 'base_model_missing',
    message: expect.stringContaining('Tiny-1M.Q4_1.gguf is missing'),
  });
});

test('deleting the training file takes nothing from a job that was created with it', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const job = await create(store, jobs, {});
  expect(await jobs.deleteFile(job.training_file)).toBe(true);
  expect(await jobs.deleteFile(job.training_file)).toBe(false);
  await toTheEnd(jobs, job.id);
  expect((await jobs.get(job.id)).status).toBe('succeeded');
});

test('a base model that disappears fails the job with what to do', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const first = await create(store, jobs, { steps: 1000, msPerStep: 20 });
  await until(jobs, first.id, ({ status }) => status === 'running');
  const second = await create(store, jobs, {});
  await until(jobs, second.id, ({ status }) => status === 'queued');
  await rm(join(store.directory, 'models', 'Tiny-1M.Q4_1.gguf'));
  await jobs.cancel(first.id);
  await toTheEnd(jobs, second.id);
  const { status, error } = await jobs.get(second.id);
  expect(status).toBe('failed');
  expect(error).toMatchObject({ code: 'base_model_missing', param: 'model' });
  expect(error?.message).toMatch(/Put it back/);
});

test('what cannot become a job is refused with the field that is wrong', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const { id } = await addFile(store, '{}');
  const other = await addFile(store, '{}', 'assistants');
  const request = {
    model: 'tiny-1m',
    training_file: id,
    validation_file: null,
    hyperparameters: Hyperparameters.parse({}),
    options: TrainingOptions.parse({}),
    suffix: null,
    seed: 7,
    metadata: null,
  };
  const refused = (change: object) => jobs.create({ ...request, ...change });
  await expect(refused({ model: 'gpt-9' })).rejects.toMatchObject({
    code: 'model_not_found',
    param: 'model',
    message: "The model 'gpt-9' does not exist. Base models here: tiny-1m.",
  });
  await expect(refused({ training_file: 'foobar' })).rejects.toMatchObject({
    param: 'training_file',
    message: expect.stringMatching(/^invalid training_file: foobar/),
  });
  await expect(refused({ validation_file: other.id })).rejects.toMatchObject({
    param: 'validation_file',
    message: expect.stringContaining("Its purpose is 'assistants'"),
  });
  await expect(refused({ suffix: '客服' })).rejects.toMatchObject({ param: 'suffix' });
  await expect(jobs.get('ftjob-none')).rejects.toMatchObject({
    code: 'fine_tune_not_found',
    status: 404,
  });
  expect((await jobs.list({ limit: 5 })).data).toEqual([]);
});

test('lists page newest first without skips, and filter by metadata', async () => {
  const store = await temporaryStore();
  const jobs = await jobsOn(store);
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.unshift((await create(store, jobs, { steps: 2 })).id);
  const seen: string[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const page = await jobs.list({ after, limit: 2 });
    seen.push(...page.data.map(({ id }) => id));
    after = seen.at(-1)!;
    more = page.hasMore;
  }
  expect(seen).toEqual(ids);
  expect((await jobs.list({ limit: 9 }, null)).data).toHaveLength(5);
  expect((await jobs.list({ limit: 9 }, { team: 'law' })).data).toHaveLength(0);
  await expect(jobs.list({ after: 'ftjob-x', limit: 2 })).rejects.toMatchObject({ param: 'after' });
  const [newest] = (await jobs.events(ids[4]!, { limit: 1 })).data;
  expect(newest?.job_id).toBe(ids[4]);
});
