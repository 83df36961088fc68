// Batches over a real store, with an endpoint that the test plays itself: states, counts, cancellation,
// expiry, restarts and interrupted writes.
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { newId } from '../lib/id.ts';
import { createLog } from '../lib/log.ts';
import type { BatchRow } from '../store/batches.ts';
import { getFile, saveFile } from '../store/files.ts';
import { openStore, type Store } from '../store/store.ts';
import { type Batches, createBatches, type Send } from './batches.ts';
import { checkInput } from './input.ts';
import type { OutputLine } from './progress.ts';

let directory: string;
let store: Store;
let batches: Batches;
let now: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-batches-'));
  store = await openStore(directory);
});
beforeEach(() => {
  now = Date.UTC(2026, 0, 1);
});
afterEach(async () => {
  await batches.close();
  await store.database.query('delete from batches');
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const ENDPOINT = '/v1/chat/completions';
const request = (id: string, body: object = {}) =>
  JSON.stringify({
    custom_id: id,
    method: 'POST',
    url: ENDPOINT,
    body: { model: 'm', n: id, ...body },
  });
const requests = (count: number) => Array.from({ length: count }, (_, i) => request(`r${i}`));

async function upload(text: string, purpose = 'batch'): Promise<string> {
  const file = { id: newId('file-'), created_at: 1, expires_at: null, filename: 'in.jsonl' };
  const bytes = (async function* () {
    yield Buffer.from(text);
  })();
  const received = await store.blobs.receive(bytes);
  return (await saveFile(store.database, store.blobs, { ...file, purpose }, received)).id;
}

const open = (send: Send, parallel = 2) =>
  createBatches({ store, clock: { now: () => now }, log: createLog('silent'), send, parallel });

const create = async (lines: readonly string[], output_expires_after: number | null = null) =>
  await batches.create({
    input_file_id: await upload(lines.join('\n')),
    endpoint: ENDPOINT,
    completion_window: '24h',
    metadata: { a: 'b' },
    output_expires_after,
    organization: 'org-test',
    keyId: null,
  });

async function ended({ id }: Pick<BatchRow, 'id'>): Promise<BatchRow> {
  return await vi.waitFor(
    async () => {
      const batch = await batches.get(id);
      expect(['completed', 'failed', 'expired', 'cancelled']).toContain(batch?.status);
      return batch!;
    },
    { timeout: 10_000, interval: 20 },
  );
}

async function linesOf(id: string | null): Promise<OutputLine[]> {
  if (id === null) return [];
  const file = await getFile(store.database.query, id);
  expect(file?.purpose).toBe('batch_output');
  const text = await readFile(store.blobs.path(file!.sha256), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as OutputLine);
}
const idsOf = async (id: string | null) => (await linesOf(id)).map((line) => line.custom_id).sort();

const json = (body: unknown, status = 200, headers = {}) =>
  Response.json(body, { status, headers: { 'x-request-id': 'req_1', ...headers } });
const answers: Send = async ({ body }) =>
  json({ echo: body, usage: { prompt_tokens: 2, completion_tokens: 3 } });

/** An endpoint that holds every request until it is let go. */
function held() {
  const waiting: (() => void)[] = [];
  const seen: string[] = [];
  const send: Send = async ({ body, signal }) => {
    seen.push((body as { n: string }).n);
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      signal.addEventListener('abort', () => resolve());
    });
    return await answers({ body } as Parameters<Send>[0]);
  };
  return { send, seen, letGo: () => waiting.shift()?.() };
}

test('one request that is refused goes to the error file; the others are answered', async () => {
  batches = open(async (asked) =>
    (asked.body as { n: string }).n === 'r1' ? json({ error: { code: 'x' } }, 400) : answers(asked),
  );
  await batches.start();
  const created = await create(requests(3));
  expect(created).toMatchObject({ status: 'validating', in_progress_at: null, completed: 0 });
  const batch = await ended(created);
  expect(batch).toMatchObject({
    status: 'completed',
    model: 'm',
    errors: null,
    metadata: { a: 'b' },
    ...{ total: 3, completed: 2, failed: 1 },
    usage: { input_tokens: 4, output_tokens: 6 },
  });
  expect(batch.expires_at - batch.created_at).toBe(86_400);
  for (const at of ['in_progress_at', 'finalizing_at', 'completed_at'] as const)
    expect(batch[at]).toBe(now / 1000);
  expect(await idsOf(batch.output_file_id)).toEqual(['r0', 'r2']);
  const [refused] = await linesOf(batch.error_file_id);
  expect(refused).toEqual({
    id: expect.stringMatching(/^batch_req_\w{24}$/),
    custom_id: 'r1',
    response: { status_code: 400, request_id: 'req_1', body: { error: { code: 'x' } } },
    error: null,
  });
});

test('a batch without failures has no error file, and its output goes when it was told to', async () => {
  batches = open(answers);
  await batches.start();
  const batch = await ended(await create(requests(2), 3600));
  expect(batch.error_file_id).toBeNull();
  const file = await getFile(store.database.query, batch.output_file_id!);
  expect(file).toMatchObject({
    filename: `${batch.id}_output.jsonl`,
    expires_at: batch.completed_at! + 3600,
  });
});

test('a file with wrong lines fails the batch and names every line', async () => {
  batches = open(answers);
  await batches.start();
  const good = request('good');
  const line = (changes: object) => JSON.stringify({ ...JSON.parse(request('x')), ...changes });
  const batch = await ended(
    await create([
      good,
      'not json',
      '[1]',
      good,
      line({ custom_id: undefined }),
      line({ custom_id: 7 }),
      line({ method: 'GET' }),
      line({ url: '/v1/embeddings' }),
      line({ body: 'x' }),
    ]),
  );
  expect(batch).toMatchObject({ status: 'failed', output_file_id: null, total: 0 });
  expect(batch.failed_at).not.toBeNull();
  expect(batch.errors?.map(({ line, code, param }) => [line, code, param])).toEqual([
    [2, 'invalid_json_line', null],
    [3, 'invalid_json_line', null],
    [4, 'duplicate_custom_id', 'custom_id'],
    [5, 'missing_required_parameter', 'custom_id'],
    [6, 'invalid_custom_id', 'custom_id'],
    [7, 'invalid_method', 'method'],
    [8, 'invalid_url', 'url'],
    [9, 'invalid_body', 'body'],
  ]);
});

test('an empty file, too many lines and too many bytes fail as a whole', async () => {
  batches = open(answers);
  await batches.start();
  const empty = await ended(await create(['', '  ']));
  expect(empty.errors).toMatchObject([{ code: 'empty_file', line: null }]);
  const path = store.blobs.path(
    (await getFile(store.database.query, await upload(requests(3).join('\n'))))!.sha256,
  );
  const checked = async (limits: { bytes: number; lines: number }) =>
    (await checkInput(path, ENDPOINT, limits)).problems.map(({ code }) => code);
  expect(await checked({ bytes: 1000, lines: 3 })).toEqual([]);
  expect(await checked({ bytes: 1000, lines: 2 })).toEqual(['too_many_requests']);
  expect(await checked({ bytes: 100, lines: 3 })).toEqual(['input_file_too_large']);
});

test.each([
  ['file-unknown', null],
  [null, 'fine-tune'],
])('an input file that is not there, or is for something else, is refused', async (id, purpose) => {
  batches = open(answers);
  const input_file_id = id ?? (await upload('x', purpose!));
  const fields = { endpoint: ENDPOINT, completion_window: '24h', metadata: null } as const;
  const rest = { output_expires_after: null, organization: 'o', keyId: null };
  await expect(batches.create({ ...fields, ...rest, input_file_id })).rejects.toMatchObject({
    status: 400,
    code: 'invalid_input_file',
    param: 'input_file_id',
  });
});

test('counts move while it runs, and no more requests run at a time than allowed', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 2);
  await batches.start();
  const { id } = await create(requests(5));
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(2));
  expect(await batches.get(id)).toMatchObject({ status: 'in_progress', total: 5, completed: 0 });
  endpoint.letGo();
  await vi.waitFor(async () => expect(await batches.get(id)).toMatchObject({ completed: 1 }));
  expect(endpoint.seen).toHaveLength(3);
});

test('two batches share the turns', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 2);
  await batches.start();
  await create(requests(50));
  await create([request('small')]);
  for (let i = 0; i < 6; i++) {
    await vi.waitFor(() => expect(endpoint.seen.length).toBeGreaterThan(i));
    endpoint.letGo();
  }
  expect(endpoint.seen).toContain('small');
});

test('cancelling ends a batch, keeps what is answered and says what is not', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 1);
  await batches.start();
  const { id } = await create(requests(3));
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(1));
  endpoint.letGo();
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(2));
  expect(await batches.cancel(id)).toMatchObject({ status: 'cancelling', cancelled_at: null });
  const batch = await ended({ id });
  expect(batch).toMatchObject({ status: 'cancelled', total: 3, completed: 1, failed: 2 });
  expect(batch.cancelled_at).not.toBeNull();
  expect(await idsOf(batch.output_file_id)).toEqual(['r0']);
  expect(await linesOf(batch.error_file_id)).toMatchObject([
    { custom_id: 'r1', response: null, error: { code: 'batch_cancelled' } },
    { custom_id: 'r2', response: null, error: { code: 'batch_cancelled' } },
  ]);
  await expect(batches.cancel(id)).rejects.toMatchObject({ status: 400 });
  expect(await batches.cancel('batch_unknown')).toBeNull();
});

test('a batch that waits for its turn behind another can be cancelled at once', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 1);
  await batches.start();
  await create(requests(2));
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(1));
  const { id } = await create([request('late')]);
  await vi.waitFor(async () => expect((await batches.get(id))?.status).toBe('in_progress'));
  await batches.cancel(id);
  expect(await ended({ id })).toMatchObject({ status: 'cancelled', failed: 1 });
  expect(endpoint.seen).toEqual(['r0']);
});

test('a batch that is not done within its window expires', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 1);
  await batches.start();
  const { id } = await create(requests(2));
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(1));
  endpoint.letGo();
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(2));
  now += 86_400_000;
  const batch = await ended({ id });
  expect(batch).toMatchObject({ status: 'expired', completed: 1, failed: 1, completed_at: null });
  expect(batch.expired_at).toBe(now / 1000);
  expect(await linesOf(batch.error_file_id)).toMatchObject([
    { custom_id: 'r1', response: null, error: { code: 'batch_expired' } },
  ]);
});

test('a server that starts again goes on; half a line is cut off and its request sent again', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 1);
  await batches.start();
  const { id } = await create(requests(4));
  for (let i = 0; i < 2; i++) {
    await vi.waitFor(() => expect(endpoint.seen).toHaveLength(i + 1));
    endpoint.letGo();
  }
  await vi.waitFor(() => expect(endpoint.seen).toHaveLength(3));
  await batches.close();
  expect(await batches.get(id)).toMatchObject({ status: 'in_progress', completed: 2 });
  await appendFile(join(directory, 'batches', id, 'output.jsonl'), '{"id":"batch_req_x","custom_');

  const sent: string[] = [];
  batches = open(async (asked) => {
    sent.push((asked.body as { n: string }).n);
    return await answers(asked);
  });
  await batches.start();
  const batch = await ended({ id });
  expect(sent.sort()).toEqual(['r2', 'r3']);
  expect(batch).toMatchObject({ status: 'completed', completed: 4, failed: 0 });
  expect(batch.usage).toMatchObject({ input_tokens: 8 });
  expect(await idsOf(batch.output_file_id)).toEqual(['r0', 'r1', 'r2', 'r3']);
});

test('the input file may be deleted while the batch runs', async () => {
  const endpoint = held();
  batches = open(endpoint.send, 1);
  await batches.start();
  const { id, input_file_id } = await create(requests(2));
  const file = await getFile(store.database.query, input_file_id);
  await store.database.query('delete from files where id = $1', [input_file_id]);
  await store.blobs.remove(file!.sha256);
  for (let i = 0; i < 2; i++) {
    await vi.waitFor(() => expect(endpoint.seen).toHaveLength(i + 1));
    endpoint.letGo();
  }
  expect(await ended({ id })).toMatchObject({ status: 'completed', completed: 2 });
});

test('an overloaded model is asked again, a failing one once more', async () => {
  let calls = 0;
  batches = open(async (asked) => {
    calls += 1;
    if (calls <= 2) return json({ error: {} }, 503, { 'retry-after': '0' });
    return (asked.body as { n: string }).n === 'r0' ? answers(asked) : json({ error: {} }, 500);
  }, 1);
  await batches.start();
  const batch = await ended(await create(requests(2)));
  expect(batch).toMatchObject({ status: 'completed', completed: 1, failed: 1 });
  expect(calls).toBe(5);
});
