// Batches through the official client on a real server with the bundled tiny model: every endpoint that a
// batch may name, one bad line, wrong requests, keys, and a server that is killed in the middle.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type RunningServer, startServer } from '../src/server/start.ts';
import { script } from './program.ts';

const MODEL = 'stories260k';
let directory: string;
let server: RunningServer;
let client: OpenAI;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-batches-'));
  const dataDir = join(directory, 'data');
  server = await startServer({ port: 0, dataDir, modelsDirs: ['assets/models'] });
  client = clientOf(server.url);
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const clientOf = (url: string, apiKey = 'sk-test') =>
  new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });

type Endpoint = OpenAI.BatchCreateParams['endpoint'];
type Line = {
  custom_id: string;
  response: { status_code: number; request_id: string; body: Record<string, unknown> } | null;
};

const upload = async (text: string, to = client, purpose: OpenAI.FilePurpose = 'batch') =>
  (await to.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose })).id;

async function create(url: Endpoint, bodies: readonly object[], to = client) {
  const lines = bodies.map((body, i) =>
    JSON.stringify({ custom_id: `r${i}`, method: 'POST', url, body }),
  );
  const input_file_id = await upload(lines.join('\n'), to);
  return await to.batches.create({ input_file_id, endpoint: url, completion_window: '24h' });
}

async function ended(id: string, to = client): Promise<OpenAI.Batch> {
  let batch = await to.batches.retrieve(id);
  while (!['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    batch = await to.batches.retrieve(id);
  }
  return batch;
}

async function linesOf(id: string | undefined, to = client): Promise<Line[]> {
  if (!id) return [];
  const text = await (await to.files.content(id)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

const chat = { model: MODEL, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 4, seed: 1 };

test.each<[Endpoint, object, string, number]>([
  ['/v1/chat/completions', chat, 'chat.completion', 404],
  ['/v1/completions', { model: MODEL, prompt: 'Tim', max_tokens: 4 }, 'text_completion', 404],
  ['/v1/embeddings', { model: MODEL, input: 'Tim' }, 'list', 404],
  ['/v1/responses', { model: MODEL, input: 'Tim', max_output_tokens: 16 }, 'response', 400],
])(
  'a batch of %s has the answers that single requests get',
  async (endpoint, body, object, refusal) => {
    const { id } = await create(endpoint, [body, { ...body, model: 'no-such-model' }]);
    const batch = await ended(id);
    expect(batch).toMatchObject({
      ...{ object: 'batch', status: 'completed', endpoint, errors: null },
      request_counts: { total: 2, completed: 1, failed: 1 },
    });
    const [good] = await linesOf(batch.output_file_id);
    expect(good).toMatchObject({
      custom_id: 'r0',
      response: { status_code: 200, body: { object, model: MODEL } },
      error: null,
    });
    expect(good!.response!.request_id).toMatch(/^req_/);
    const [bad] = await linesOf(batch.error_file_id);
    expect(bad).toMatchObject({
      custom_id: 'r1',
      response: { status_code: refusal, body: { error: { code: 'model_not_found' } } },
    });
  },
);

test('what is wrong inside a body fails that request alone', async () => {
  const { messages } = chat;
  const bodies = [chat, {}, { messages }, { ...chat, temperature: 9 }, { ...chat, stream: true }];
  const batch = await ended((await create('/v1/chat/completions', bodies)).id);
  expect(batch).toMatchObject({
    status: 'completed',
    request_counts: { total: 5, completed: 1, failed: 4 },
  });
  const refused = await linesOf(batch.error_file_id);
  const said = refused.map(({ custom_id, response }) => {
    const { error } = response!.body as { error: { param: string } };
    return `${custom_id} ${response!.status_code} ${error.param}`;
  });
  expect(said.sort()).toEqual([
    'r1 400 model',
    'r2 400 model',
    'r3 400 temperature',
    'r4 400 stream',
  ]);
});

test('a batch of moderations needs no model', async () => {
  const { id } = await create('/v1/moderations', [{ input: 'I want to kill them.' }]);
  const [line] = await linesOf((await ended(id)).output_file_id);
  expect(line!.response!.body['results']).toMatchObject([{ flagged: true }]);
});

test('metadata comes back, and the files that a batch makes live as long as asked for', async () => {
  const line = { custom_id: 'a', method: 'POST', url: '/v1/moderations', body: { input: 'x' } };
  const params = {
    input_file_id: await upload(JSON.stringify(line)),
    endpoint: '/v1/moderations',
    completion_window: '24h',
  } as const;
  const { id } = await client.batches.create({
    ...params,
    metadata: { team: 'toys' },
    output_expires_after: { anchor: 'created_at', seconds: 7200 },
  });
  const batch = await ended(id);
  expect(batch.metadata).toEqual({ team: 'toys' });
  const file = await client.files.retrieve(batch.output_file_id!);
  expect(file.expires_at).toBe(file.created_at + 7200);
  const plain = await ended((await client.batches.create(params)).id);
  expect(plain.metadata).toBeNull();
  const kept = await client.files.retrieve(plain.output_file_id!);
  expect(kept.expires_at ?? null).toBeNull();
});

test('the list is newest first and pages by the id of the last one seen', async () => {
  const ids: string[] = [];
  for await (const batch of client.batches.list({ limit: 2 })) ids.push(batch.id);
  const whole = await client.batches.list();
  expect(whole.data.map(({ id }) => id)).toEqual(ids);
  expect(ids.length).toBeGreaterThan(2);
  const created = whole.data.map((batch) => batch.created_at);
  expect(created).toEqual([...created].sort((a, b) => b - a));
});

test.each<[object, number, string]>([
  [{ endpoint: '/v1/images/generations' }, 400, 'endpoint'],
  [{ completion_window: '1h' }, 400, 'completion_window'],
  [{ input_file_id: 'file-unknown' }, 400, 'input_file_id'],
  [{ input_file_id: undefined }, 400, 'input_file_id'],
  [{ metadata: { a: 1 } }, 400, 'metadata.a'],
  [
    { output_expires_after: { anchor: 'created_at', seconds: 1 } },
    400,
    'output_expires_after.seconds',
  ],
])('%o is refused', async (changes, status, param) => {
  const input_file_id = await upload('x');
  const params = { input_file_id, endpoint: '/v1/completions', completion_window: '24h' } as const;
  const request = client.batches.create({ ...params, ...changes } as OpenAI.BatchCreateParams);
  await expect(request).rejects.toMatchObject({ status, param });
});

test('unknown batches are 404; cancelling one that has ended is 400', async () => {
  await expect(client.batches.retrieve('batch_nope')).rejects.toMatchObject({ status: 404 });
  await expect(client.batches.cancel('batch_nope')).rejects.toMatchObject({ status: 404 });
  const { id } = await create('/v1/moderations', [{ input: 'x' }]);
  await ended(id);
  await expect(client.batches.cancel(id)).rejects.toMatchObject({ status: 400 });
});

const serve = async (dataDir: string) => {
  const program = script('tunery', [
    ...['serve', '--port', '0', '--data-dir', dataDir, '--models-dir', 'assets/models'],
  ]);
  const [, url] = await program.says(/(http:\/\/127\.0\.0\.1:\d+)/);
  return { program, to: clientOf(url!) };
};

test('a server that is killed goes on with the batch: every line is answered once', async () => {
  const dataDir = join(directory, 'killed');
  const first = await serve(dataDir);
  const bodies = Array.from({ length: 30 }, (_, i) => ({ ...chat, max_tokens: 100, seed: i }));
  const { id } = await create('/v1/chat/completions', bodies, first.to);
  const answered = async () => (await first.to.batches.retrieve(id)).request_counts!.completed;
  while ((await answered()) < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  first.program.process.kill('SIGKILL');
  await first.program.ended();

  const second = await serve(dataDir);
  const batch = await ended(id, second.to);
  expect(batch.status).toBe('completed');
  expect(batch.request_counts).toEqual({ total: 30, completed: 30, failed: 0 });
  const ids = (await linesOf(batch.output_file_id, second.to)).map((line) => line.custom_id);
  expect(ids.sort()).toEqual(bodies.map((_, i) => `r${i}`).sort());
});

test('a batch has the rights of the key that created it, and no more than it has now', async () => {
  const keyed = await startServer({
    port: 0,
    dataDir: join(directory, 'keyed'),
    modelsDirs: ['assets/models'],
  });
  onTestFinished(() => keyed.close());
  const made = async (scopes: string[], apiKey: string) => {
    const response = await fetch(`${keyed.url}/tunery/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'test', scopes }),
    });
    return (await response.json()) as { id: string; value: string };
  };
  const admin = await made(['admin'], 'none');
  const user = await made(['infer', 'read'], admin.value);
  const to = clientOf(keyed.url, user.value);
  const { id } = await create(
    '/v1/completions',
    [{ model: MODEL, prompt: 'Tim', max_tokens: 2 }],
    to,
  );
  expect((await ended(id, to)).request_counts).toEqual({ total: 1, completed: 1, failed: 0 });

  const bodies = Array.from({ length: 40 }, () => ({ ...chat, max_tokens: 60 }));
  const next = await create('/v1/chat/completions', bodies, to);
  await fetch(`${keyed.url}/tunery/v1/keys/${user.id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${admin.value}` },
  });
  const boss = clientOf(keyed.url, admin.value);
  const batch = await ended(next.id, boss);
  expect(batch.request_counts!.failed).toBeGreaterThan(0);
  const [refused] = await linesOf(batch.error_file_id, boss);
  expect(refused!.response!.status_code).toBe(401);
});
