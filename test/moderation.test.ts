// A guard model that the operator names, asked through a real model host; and a job whose rows are
// screened. The tiny model is no guard: what it answers must be an error, never "safe".
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../src/server/start.ts';

let directory: string;
let server: RunningServer;
let client: OpenAI;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-moderation-'));
  server = await startServer({
    port: 0,
    dataDir: join(directory, 'data'),
    modelsDirs: ['assets/models'],
    env: { ...process.env, TUNERY_MODERATION_MODEL: 'stories260k' },
  });
  client = new OpenAI({ apiKey: 'sk-test', baseURL: `${server.url}/v1`, maxRetries: 0 });
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

test('a guard model whose answer is no verdict is an error; the classifier can still be named', async () => {
  await expect(client.moderations.create({ input: 'Hello' })).rejects.toMatchObject({
    status: 500,
    code: 'moderation_model_unknown',
    message: expect.stringContaining('stories260k'),
  });
  const bundled = { input: 'I want to kill them.', model: 'tunery-moderation' };
  expect((await client.moderations.create(bundled)).results[0]!.flagged).toBe(true);
});

test('a job that refuses flagged rows fails before training and names them', async () => {
  const rows = Array.from({ length: 12 }, (_, i) => ({
    prompt: `Tim saw ${i} `,
    completion: i === 4 ? 'I want to kill them all.' : 'red balls in the park.',
  }));
  const file = await client.files.create({
    file: await toFile(Buffer.from(rows.map((row) => JSON.stringify(row)).join('\n')), 'a.jsonl'),
    purpose: 'fine-tune',
  });
  const params = { model: 'stories260k', training_file: file.id, tunery: { moderation: 'refuse' } };
  let job = await client.fineTuning.jobs.create(params);
  while (!['failed', 'succeeded'].includes(job.status)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    job = await client.fineTuning.jobs.retrieve(job.id);
  }
  expect(job.status).toBe('failed');
  expect(job.error).toMatchObject({ code: 'moderation_flagged', param: 'training_file' });
  expect(job.error!.message).toMatch(/: line 5 \(.*violence\)\./);
});
