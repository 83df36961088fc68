// The whole way through the official client on a real port: upload, job, events, model, answers,
// deletion, restart. The model is the bundled tiny one; jobs take seconds.
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../src/server/start.ts';

const MODEL = 'stories260k';
let directory: string;
let server: RunningServer;
let client: OpenAI;

async function start(): Promise<void> {
  const dataDir = join(directory, 'data');
  server = await startServer({ port: 0, dataDir, modelsDirs: ['assets/models'] });
  client = new OpenAI({ apiKey: 'sk-test', baseURL: `${server.url}/v1`, maxRetries: 0 });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-openai-'));
  await start();
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const rows = (count: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({ prompt: `Tim saw ${i} `, completion: 'red balls in the park. The end.' }),
  ).join('\n');

const upload = async (content: string, name = 'rows.jsonl') =>
  client.files.create({ file: await toFile(Buffer.from(content), name), purpose: 'fine-tune' });

type CreateParams = OpenAI.FineTuning.JobCreateParams;

async function createJob(params: Partial<CreateParams> = {}) {
  const training_file = params.training_file ?? (await upload(rows(12))).id;
  return client.fineTuning.jobs.create({
    model: MODEL,
    training_file,
    seed: 7,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 1, batch_size: 4 } } },
    ...params,
  });
}

async function finished(id: string) {
  let job = await client.fineTuning.jobs.retrieve(id);
  while (!['succeeded', 'failed', 'cancelled'].includes(job.status)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    job = await client.fineTuning.jobs.retrieve(id);
  }
  return job;
}

const POLL = { timeout: 60_000, interval: 100 };

const post = (path: string, body?: string, type?: string) =>
  fetch(`${server.url}/v1${path}`, {
    method: 'POST',
    ...(body === undefined ? {} : { body }),
    headers: type === undefined ? {} : { 'content-type': type },
  });

/** The data lines of a followed job. */
async function follow(id: string): Promise<string[]> {
  const response = await fetch(`${server.url}/v1/fine_tuning/jobs/${id}/events?stream=true`);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  return (await response.text())
    .split('\n\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice(6));
}

let job: OpenAI.FineTuning.FineTuningJob;

test('a job goes from upload to a model that answers', { timeout: 120_000 }, async () => {
  const training = await upload(rows(12), '../my rows.jsonl');
  expect(training).toMatchObject({ filename: 'my rows.jsonl', status: 'processed' });
  const validation = await upload(rows(10), 'valid.jsonl');
  const created = await createJob({
    training_file: training.id,
    validation_file: validation.id,
    suffix: 'Red  Balls!',
    metadata: { team: 'toys' },
  });
  expect(created).toMatchObject({
    object: 'fine_tuning.job',
    status: 'validating_files',
    model: MODEL,
    seed: 7,
    error: null,
    finished_at: null,
    fine_tuned_model: null,
    trained_tokens: null,
    result_files: [],
    training_file: training.id,
    validation_file: validation.id,
    hyperparameters: { n_epochs: 1, batch_size: 4, learning_rate_multiplier: 'auto' },
    metadata: { team: 'toys' },
  });
  const live = await follow(created.id);
  expect(live.at(-1)).toBe('[DONE]');
  job = await finished(created.id);
  expect(job).toMatchObject({ status: 'succeeded', error: null });
  expect(job.fine_tuned_model).toMatch(new RegExp(`^ft:${MODEL}:[\\w-]+:red-balls:\\w{8}$`));
  expect(job.hyperparameters.learning_rate_multiplier).toEqual(expect.any(Number));
  expect(job.trained_tokens).toBeGreaterThan(0);
  // Tunery's own part: what was done, and that the served model is the trained one.
  expect((job as unknown as { tunery: object }).tunery).toMatchObject({
    rank: 8,
    plan: { train_rows: 12, valid_rows: 10, total_steps: 3 },
    parity: { mean_abs_diff: expect.any(Number) },
  });
  expect(await follow(created.id)).toEqual(live);

  const messages = live.slice(0, -1).map((line) => JSON.parse(line).message as string);
  expect(messages[0]).toBe(`Created fine-tuning job: ${job.id}`);
  expect(messages.filter((message) => /^Step \d+\/3: training loss=/.test(message))).toHaveLength(
    3,
  );
  expect(messages.at(-1)).toBe('The job has successfully completed');
});

test('paging through the events neither skips nor repeats one', async () => {
  const paged: string[] = [];
  for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 2 }))
    paged.push(event.id);
  const followed = (await follow(job.id)).slice(0, -1).map((line) => JSON.parse(line).id as string);
  expect(paged).toEqual(followed.reverse());
});

test('each epoch leaves a checkpoint that is a model', async () => {
  const { data } = await client.fineTuning.jobs.checkpoints.list(job.id);
  expect(data).toHaveLength(1);
  expect(data[0]).toMatchObject({
    object: 'fine_tuning.job.checkpoint',
    step_number: 3,
    fine_tuning_job_id: job.id,
  });
  expect(data[0]?.metrics.train_loss).toEqual(expect.any(Number));
  const model = data[0]!.fine_tuned_model_checkpoint;
  const { choices } = await client.completions.create({ model, prompt: 'Once', max_tokens: 3 });
  expect(choices).toHaveLength(1);
});

test('the result file has a row for each step', async () => {
  const csv = await (await client.files.content(job.result_files[0]!)).text();
  const [header, ...lines] = csv.trimEnd().split('\n');
  expect(header).toMatch(/^step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy/);
  expect(lines.map((line) => line.split(',')[0])).toEqual(['1', '2', '3']);
  expect((await client.files.retrieve(job.result_files[0]!)).purpose).toBe('fine-tune-results');
});

test('the model is listed, answers, and streams the text that it answers at once', async () => {
  const model = job.fine_tuned_model!;
  const listed = [];
  for await (const { id } of client.models.list()) listed.push(id);
  expect(listed).toEqual(expect.arrayContaining([MODEL, model]));
  expect(await client.models.retrieve(model)).toMatchObject({ id: model, object: 'model' });
  const request = { model, prompt: 'Tim saw 3 ', max_tokens: 12, temperature: 0 };
  const whole = await client.completions.create(request);
  const stream = await client.completions.create({
    ...request,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.text ?? '';
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe(whole.choices[0]?.text);
  expect(usage).toEqual(whole.usage);
  expect(whole.choices[0]?.finish_reason).toBe('length');
  expect(whole.usage?.completion_tokens).toBe(12);
});

test.each([
  ['peft', ['adapter_config.json', 'adapter_model.safetensors']],
  ['merged', expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json'])],
  ['gguf-adapter', ['adapter.gguf']],
])('the model is exported as %s, a folder that other tools read', async (format, files) => {
  const output = join(directory, `exported-${format}`);
  const body = JSON.stringify({ model: job.fine_tuned_model, format, output });
  const send = () => fetch(`${server.url}/tunery/v1/export`, { method: 'POST', body });
  expect(await (await send()).json()).toMatchObject({ format, output, files });
  const again = await send();
  expect(again.status).toBe(400);
  expect(await again.json()).toMatchObject({ error: { param: 'output' } });
});

test('a model is imported from a file and then listed under its name', async () => {
  const source = join(directory, 'Other-F32.gguf');
  await copyFile('assets/models/stories260K.gguf', source);
  const send = (body: object) =>
    fetch(`${server.url}/tunery/v1/models/import`, { method: 'POST', body: JSON.stringify(body) });
  const { id } = (await (await send({ source })).json()) as { id: string };
  expect(await client.models.retrieve(id)).toMatchObject({ id });
  expect((await client.models.delete(id)).deleted).toBe(true);
  expect((await send({ source: 'relative.gguf' })).status).toBe(400);
  expect((await send({ source: join(directory, 'none') })).status).toBe(400);
});

test('a stop string ends the text and is no part of it', async () => {
  const request = { model: MODEL, prompt: 'Once upon a time', max_tokens: 20, temperature: 0 };
  const full = (await client.completions.create(request)).choices[0]!.text;
  const stop = full.slice(10, 14);
  const { text, finish_reason } = (await client.completions.create({ ...request, stop }))
    .choices[0]!;
  expect([text, finish_reason]).toEqual([full.slice(0, full.indexOf(stop)), 'stop']);
});

test('a seed repeats an answer; at strength 0 the tuned model is the base', async () => {
  const ask = async (model: string, seed: number, n = 1) => {
    const request = { model, prompt: 'Once', max_tokens: 12, temperature: 1, seed, n };
    return (await client.completions.create(request)).choices.map(({ text }) => text);
  };
  expect(await ask(MODEL, 3)).toEqual(await ask(MODEL, 3));
  expect(await ask(MODEL, 3)).not.toEqual(await ask(MODEL, 4));
  const several = await ask(MODEL, 3, 3);
  expect(new Set(several).size).toBe(3);
  expect(await ask(MODEL, 3, 3)).toEqual(several);
  expect(await ask(`${job.fine_tuned_model}@0`, 3)).toEqual(await ask(MODEL, 3));
});

test('leaving a stream frees the model for the next request', async () => {
  const stream = await client.completions.create({
    model: MODEL,
    prompt: 'Once',
    max_tokens: 400,
    stream: true,
  });
  for await (const _ of stream) break;
  const { choices } = await client.completions.create({
    model: MODEL,
    prompt: 'Once',
    max_tokens: 2,
  });
  expect(choices).toHaveLength(1);
});

test.each([
  [{ model: 'none' }, 'model'],
  [{ training_file: 'file-none' }, 'training_file'],
  [{ validation_file: 'file-none' }, 'validation_file'],
  [{ suffix: '' }, 'suffix'],
  [{ suffix: 'x'.repeat(65) }, 'suffix'],
  [{ suffix: '!?' }, 'suffix'],
  [{ seed: -1 }, 'seed'],
  [{ metadata: { k: 'v'.repeat(513) } }, 'metadata.k'],
  [{ integrations: [{ type: 'wandb', wandb: { project: 'p' } }] }, 'integrations'],
  [{ method: { type: 'dpo' } }, 'method.type'],
  [{ method: undefined, hyperparameters: { n_epochs: 0 } }, 'hyperparameters.n_epochs'],
  [
    {
      method: {
        type: 'supervised',
        supervised: { hyperparameters: { learning_rate_multiplier: 'fast' } },
      },
    },
    'method.supervised.hyperparameters.learning_rate_multiplier',
  ],
  [
    { method: undefined, hyperparameters: { prompt_loss_weight: 1 } },
    'hyperparameters.prompt_loss_weight',
  ],
  [{ n_epochs: 3 }, 'n_epochs'],
  [{ tunery: { rank: 0 } }, 'tunery.rank'],
  [{ tunery: { rnak: 4 } }, 'tunery.rnak'],
])('a job with %j is refused and the error names %s', async (change, param) => {
  const training_file = (await upload(rows(12))).id;
  await expect(
    createJob({ training_file, ...change } as Partial<CreateParams>),
  ).rejects.toMatchObject({ status: 400, param });
});

test('a file of another purpose, or a deleted one, cannot be trained on', async () => {
  const other = await client.files.create({
    file: await toFile(Buffer.from(rows(12)), 'rows.jsonl'),
    purpose: 'user_data',
  });
  await expect(createJob({ training_file: other.id })).rejects.toMatchObject({
    status: 400,
    param: 'training_file',
  });
  const gone = await upload(rows(12));
  expect(await client.files.delete(gone.id)).toEqual({
    id: gone.id,
    object: 'file',
    deleted: true,
  });
  await expect(createJob({ training_file: gone.id })).rejects.toMatchObject({
    status: 400,
    error: { message: expect.stringContaining(`invalid training_file: ${gone.id}`) },
  });
});

test('a file of nine rows makes a job that fails and says why', async () => {
  const { id } = await createJob({ training_file: (await upload(rows(9))).id });
  const failed = await finished(id);
  expect(failed.status).toBe('failed');
  expect(failed.error).toMatchObject({
    code: 'invalid_n_examples',
    message: expect.stringContaining('has 9 example(s), but must have at least 10 examples'),
    param: 'training_file',
  });
});

test('rows for another method fail the job, and its last event says so once', async () => {
  const reinforcement = Array.from({ length: 10 }, (_, i) =>
    JSON.stringify({ messages: [{ role: 'user', content: `${i}?` }], answer: i }),
  );
  const { id } = await createJob({ training_file: (await upload(reinforcement.join('\n'))).id });
  const { error } = await finished(id);
  expect(error).toMatchObject({ code: 'invalid_training_file', param: 'training_file' });
  expect(error!.message).toMatch(/^The job failed due to .* in the reinforcement format/);
  const [event] = (await client.fineTuning.jobs.listEvents(id, { limit: 1 })).data;
  expect(event).toMatchObject({ level: 'error', message: error!.message });
});

test('rows of two formats can be stored, and fail the job with their lines', async () => {
  const { id } = await createJob({
    training_file: (
      await upload(
        `${rows(11).trimEnd()}\n{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n`,
      )
    ).id,
  });
  const { status, error } = await finished(id);
  expect([status, error]).toMatchObject(['failed', { code: 'invalid_training_file' }]);
  expect(error!.message).toMatch(/this line is in the chat format \(line 12\)/);
});

test.each([
  ['no content type', undefined, undefined],
  ['JSON', '', 'application/json'],
  ['a form', '', 'application/x-www-form-urlencoded'],
])('a job is cancelled by an empty body with %s, once', async (_, body, type) => {
  const { id } = await createJob({
    hyperparameters: { n_epochs: 50, batch_size: 1 },
    method: undefined as never,
  });
  const response = await post(`/fine_tuning/jobs/${id}/cancel`, body, type);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ id, status: 'cancelled' });
  await expect(client.fineTuning.jobs.cancel(id)).rejects.toMatchObject({ status: 400 });
});

test('a job pauses and goes on', { timeout: 120_000 }, async () => {
  const { id } = await createJob({
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { n_epochs: 50, batch_size: 1 } },
    },
  });
  await expect
    .poll(async () => (await client.fineTuning.jobs.retrieve(id)).status, POLL)
    .toBe('running');
  expect(await client.fineTuning.jobs.pause(id)).toMatchObject({ id, status: 'paused' });
  expect(await client.fineTuning.jobs.resume(id)).toMatchObject({ id, status: 'queued' });
  await expect
    .poll(async () => (await client.fineTuning.jobs.retrieve(id)).status, POLL)
    .toBe('running');
  expect(await client.fineTuning.jobs.cancel(id)).toMatchObject({ id, status: 'cancelled' });
  await expect(client.fineTuning.jobs.resume(id)).rejects.toMatchObject({ status: 400 });
});

test('the list of jobs is newest first, in pages of one, and filters by metadata', async () => {
  const visited: string[] = [];
  for await (const { id } of client.fineTuning.jobs.list({ limit: 1 })) visited.push(id);
  const all = (await client.fineTuning.jobs.list({ limit: 100 })).data.map(({ id }) => id);
  expect(visited).toEqual(all);
  expect(visited.at(-1)).toBe(job.id);
  expect(
    (await client.fineTuning.jobs.list({ metadata: { team: 'toys' } })).data.map(({ id }) => id),
  ).toEqual([job.id]);
  expect((await client.fineTuning.jobs.list({ metadata: { team: 'none' } })).data).toEqual([]);
  const without = (await client.fineTuning.jobs.list({ metadata: null })).data.map(({ id }) => id);
  expect(without).toEqual(all.filter((id) => id !== job.id));
});

test.each(['', '/events', '/events?stream=true', '/checkpoints'])(
  'an unknown job is a 404 at …/ftjob-x%s',
  async (tail) => {
    const response = await fetch(`${server.url}/v1/fine_tuning/jobs/ftjob-x${tail}`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      error: {
        message: 'Could not find fine tune: ftjob-x',
        code: 'fine_tune_not_found',
        param: 'fine_tune_id',
      },
    });
  },
);

test('a restart keeps files, jobs, events and models', { timeout: 120_000 }, async () => {
  const state = async () => ({
    files: (await client.files.list()).data,
    jobs: (await client.fineTuning.jobs.list()).data,
    events: await follow(job.id),
    models: (await client.models.list()).data.map(({ id }) => id),
    answer: (
      await client.completions.create({
        model: job.fine_tuned_model!,
        prompt: 'Tim',
        max_tokens: 8,
        temperature: 0,
      })
    ).choices,
  });
  const before = await state();
  await server.close();
  await start();
  expect(await state()).toEqual(before);
});

test('a job that a restart interrupts goes on by itself and tells each step once', {
  timeout: 120_000,
}, async () => {
  const { id } = await createJob({
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { n_epochs: 20, batch_size: 4 } },
    },
  });
  const steps = async () =>
    (await client.fineTuning.jobs.listEvents(id, { limit: 500 })).data
      .filter(({ type }) => type === 'metrics')
      .map(({ data }) => (data as { step: number }).step);
  await expect.poll(async () => (await steps()).length, POLL).toBeGreaterThan(2);
  await server.close();
  await start();
  expect(await finished(id)).toMatchObject({ status: 'succeeded' });
  expect((await steps()).reverse()).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
});

test('a second server on the same data directory is refused, and the first one goes on', async () => {
  const second = startServer({
    port: 0,
    dataDir: join(directory, 'data'),
    modelsDirs: ['assets/models'],
  });
  await expect(second).rejects.toMatchObject({ code: 'data_directory_in_use' });
  expect((await client.models.list()).data.length).toBeGreaterThan(0);
});

test('a deleted model is gone from the list and from the endpoints; a base model stays', async () => {
  const model = job.fine_tuned_model!;
  await expect(client.models.delete(MODEL)).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
  expect(await client.models.delete(model)).toEqual({ id: model, object: 'model', deleted: true });
  await expect(client.models.retrieve(model)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(client.completions.create({ model, prompt: 'x' })).rejects.toMatchObject({
    status: 404,
    code: 'model_not_found',
  });
});
