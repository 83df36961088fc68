// Jobs that really train the bundled tiny model, through the official client: what a seed repeats, what
// the result file says, and training that goes on from a checkpoint while another job runs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../src/server/start.ts';

const MODEL = 'stories260k';
let directory: string;
let server: RunningServer;
let client: OpenAI;
let training_file: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-fine-tuning-'));
  const dataDir = join(directory, 'data');
  server = await startServer({ port: 0, dataDir, modelsDirs: ['assets/models'], trainers: 2 });
  client = new OpenAI({ apiKey: 'sk-test', baseURL: `${server.url}/v1`, maxRetries: 0 });
  const rows = Array.from({ length: 12 }, (_, i) =>
    JSON.stringify({ prompt: `Tim saw ${i} `, completion: 'red balls in the park. The end.' }),
  );
  const file = await toFile(Buffer.from(rows.join('\n')), 'rows.jsonl');
  training_file = (await client.files.create({ file, purpose: 'fine-tune' })).id;
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const train = async (seed: number, model = MODEL) => {
  const hyperparameters = { n_epochs: 2, batch_size: 4 };
  const method = { type: 'supervised' as const, supervised: { hyperparameters } };
  const job = await client.fineTuning.jobs.create({ model, training_file, seed, method });
  return { id: job.id, done: finished(job.id) };
};

async function finished(id: string) {
  for (;;) {
    const job = await client.fineTuning.jobs.retrieve(id);
    if (['succeeded', 'failed', 'cancelled'].includes(job.status)) return job;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const resultOf = async (job: OpenAI.FineTuning.FineTuningJob) =>
  (await client.files.content(job.result_files[0]!)).text();

test('a seed repeats a job to the last digit, also beside another job', {
  timeout: 180_000,
}, async () => {
  const runs = [await train(5), await train(5), await train(6)];
  const [first, again, other] = await Promise.all(runs.map(({ done }) => done));
  expect(first).toMatchObject({ status: 'succeeded', error: null, seed: 5 });
  const csv = await resultOf(first!);
  expect(await resultOf(again!)).toBe(csv);
  expect(await resultOf(other!)).not.toBe(csv);

  const [header, ...lines] = csv.trimEnd().split('\n');
  expect(header!.split(',').slice(0, 5)).toEqual([
    'step',
    'train_loss',
    'train_accuracy',
    'valid_loss',
    'valid_mean_token_accuracy',
  ]);
  const { data } = await client.fineTuning.jobs.listEvents(first!.id, { limit: 100 });
  const told = data.filter(({ type }) => type === 'metrics').reverse();
  expect(lines).toHaveLength(6); // 12 rows in batches of 4, twice
  expect(lines.map((line) => line.split(',').slice(0, 3).map(Number))).toEqual(
    told.map((event) => {
      const metrics = event.data as Record<string, number>;
      return [metrics['step'], metrics['train_loss'], metrics['train_mean_token_accuracy']];
    }),
  );
  const { plan } = (first as unknown as { tunery: { plan: Record<string, number> } }).tunery;
  expect(first!.trained_tokens).toBe(plan['tokens_per_epoch']! * 2);
});

test('a job goes on from a checkpoint and begins where that had arrived', {
  timeout: 180_000,
}, async () => {
  const first = await (await train(7)).done;
  const { data } = await client.fineTuning.jobs.checkpoints.list(first.id);
  expect(data.map(({ step_number }) => step_number)).toEqual([6, 3]);
  const checkpoint = data[1]!.fine_tuned_model_checkpoint;
  const next = await (await train(7, checkpoint)).done;
  expect(next).toMatchObject({ status: 'succeeded', model: checkpoint });
  expect(next.fine_tuned_model).toMatch(new RegExp(`^ft:${MODEL}:[\\w-]+::\\w{8}$`));
  const firstLoss = async (job: OpenAI.FineTuning.FineTuningJob) =>
    Number((await resultOf(job)).split('\n')[1]!.split(',')[1]);
  expect(await firstLoss(next)).toBeLessThan(await firstLoss(first));
  const answer = await client.completions.create({
    model: `${next.fine_tuned_model}:ckpt-step-3`,
    prompt: 'Tim saw 3 ',
    max_tokens: 2,
  });
  expect(answer.choices).toHaveLength(1);
});
