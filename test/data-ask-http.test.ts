// /tunery/v1/data/{documents,rationale,overlap} on a whole server: the tiny model answers, or an endpoint of
// the test's own that the operator has named.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../src/server/config.ts';
import { type Opened, openServer } from '../src/server/start.ts';

type Reply = string | { readonly status: number } | 'never';
let reply: (prompt: string) => Reply = () => '[]';
const asked: { prompt: string; key: string | undefined }[] = [];
let gone = 0;

const teacher = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const prompt: string = JSON.parse(body).messages.at(-1).content;
    asked.push({ prompt, key: request.headers.authorization });
    const said = reply(prompt);
    response.on('close', () => {
      if (!response.writableFinished) gone += 1;
    });
    if (said === 'never') return;
    const usage = { prompt_tokens: 100, completion_tokens: 20 };
    const failed = typeof said !== 'string';
    response.writeHead(failed ? said.status : 200, { 'content-type': 'application/json' });
    const choices = [{ message: { role: 'assistant', content: said } }];
    response.end(JSON.stringify(failed ? { error: { message: 'no' } } : { choices, usage }));
  });
});

let directory: string;
let server: Opened;
let env: Record<string, string>;
const open = async () => {
  server = await openServer({
    dataDir: join(directory, 'data'),
    modelsDirs: ['assets/models'],
    env,
  });
};
const close = async () => {
  await server.stop();
  await server.close();
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-data-ask-'));
  await new Promise<void>((resolve) => teacher.listen(0, '127.0.0.1', resolve));
  const { port } = teacher.address() as AddressInfo;
  env = {
    TUNERY_ENDPOINTS: `big=http://127.0.0.1:${port}/v1,nobody=http://127.0.0.1:59998/v1`,
    TUNERY_ENDPOINT_KEY_BIG: 'sk-teacher',
  };
  await open();
});
afterAll(async () => {
  await close();
  teacher.closeAllConnections();
  teacher.close();
  await rm(directory, { recursive: true });
});

const send = (path: string, init: RequestInit = {}, key?: string) =>
  server.fetch(
    new Request(`http://localhost${path}`, {
      ...init,
      headers: { ...init.headers, ...(key && { authorization: `Bearer ${key}` }) },
    }),
  );
async function upload(name: string, content: string, key?: string): Promise<string> {
  const body = new FormData();
  body.set('purpose', 'user_data');
  body.set('file', new File([content], name));
  const response = await send('/v1/files', { method: 'POST', body }, key);
  return ((await response.json()) as { id: string }).id;
}
async function post(
  path: string,
  body: object,
  { key, signal }: { key?: string; signal?: AbortSignal } = {},
) {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  };
  const response = await send(path.startsWith('/') ? path : `/tunery/v1/data/${path}`, init, key);
  const text = await response.text();
  const events = text
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)));
  return { status: response.status, events, body: text.startsWith('{') ? JSON.parse(text) : null };
}
const content = async (id: string) => (await send(`/v1/files/${id}/content`)).text();
const rowsOf = async (id: string) =>
  (await content(id))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const MANUAL = '---\nlicense: CC-BY-4.0\n---\n# Filter\nThe filter is cleaned once a year.\n';
const PAIR = '[{"question": "How often?", "answer": "Once a year."}]';
const LONG = Array.from(
  { length: 5 },
  (_, i) => `Paragraph ${i}. ${'It says a good deal about tuning. '.repeat(8)}`,
).join('\n\n');

test('documents become rows through a model of this server, the same ones for the same seed', async () => {
  const file_id = await upload('manual.md', MANUAL);
  const request = { file_id, model: 'stories260k', questions: 1, max_tokens: 60, seed: 5 };
  const one = await post('documents', request);
  expect(one.body).toMatchObject({
    object: 'tunery.documents',
    rows: 1,
    chunks: 1,
    licenses: { 'manual.md': 'CC-BY-4.0' },
    file: { object: 'file', filename: 'manual_rows.jsonl', purpose: 'fine-tune' },
    provenance: { filename: 'manual_provenance.jsonl', purpose: 'user_data' },
    rejected: null,
    manifest: {
      object: 'tunery.data_manifest',
      seed: 5,
      steps: [{ do: 'documents', model: 'stories260k', endpoint: 'this server' }],
      inputs: [{ file: 'manual.md', file_id, rows: 1 }],
    },
  });
  expect(await rowsOf(one.body.provenance.id)).toEqual([
    {
      line: 1,
      ...{ file: 'manual.md', file_id, place: 'section "Filter"', from: 0 },
      to: expect.any(Number),
      license: 'CC-BY-4.0',
      generated_by: 'stories260k',
    },
  ]);
  const two = await post('documents', request);
  expect(await content(two.body.file.id)).toBe(await content(one.body.file.id));
});

test('plan, progress and cost come as events; what was asked is not asked again after a restart', async () => {
  const file_id = await upload('long.txt', LONG);
  const request = { file_id, model: 'm', endpoint: 'big', chunk: 300, stream: true };
  asked.length = 0;
  reply = () => (asked.length > 2 ? { status: 401 } : PAIR);
  const first = await post('documents', { ...request, price_in: 10, price_out: 50 });
  expect(first.events[0]).toMatchObject({
    object: 'tunery.data_progress',
    ...{ stage: 'plan', questions: 5, files: [{ file: 'long.txt', license: null }] },
    cost: expect.any(Number),
  });
  expect(first.events[2]).toMatchObject({
    stage: 'ask',
    done: 2,
    of: 5,
    prompt_tokens: 200,
    cost: 0.004,
  });
  expect(first.events.at(-1)).toMatchObject({ error: { code: 'key_refused' } });
  expect(first.events.at(-1).error.message).toContain('big refuses the key (HTTP 401)');
  expect(asked[0]!.key).toBe('Bearer sk-teacher');

  await close();
  await open();
  asked.length = 0;
  reply = () => PAIR;
  const second = await post('documents', request);
  expect(second.events.at(-1)).toMatchObject({ rows: 5, remembered: 2, prompt_tokens: 500 });
  expect(asked).toHaveLength(3);
  const third = await post('documents', { ...request, dry_run: true });
  expect(third.events.at(-1)).toMatchObject({ object: 'tunery.data_plan', questions: 5 });
  expect(asked).toHaveLength(3);
});

test('who goes away ends the asking, and goes on later', async () => {
  const file_id = await upload('away.txt', LONG);
  const request = { file_id, model: 'm', endpoint: 'big', chunk: 300 };
  asked.length = 0;
  gone = 0;
  reply = () => (asked.length > 1 ? 'never' : PAIR);
  const stop = new AbortController();
  const answer = post('documents', request, { signal: stop.signal }).catch(() => null);
  while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await post('documents', request)).toMatchObject({
    status: 409,
    body: { error: { code: 'already_running' } },
  });
  stop.abort();
  await answer;
  while (gone === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  reply = () => PAIR;
  let again = await post('documents', request);
  while (again.status === 409) again = await post('documents', request);
  expect(again.body).toMatchObject({ rows: 5, remembered: 1 });
});

test('a request names an endpoint of the operator, never an address', async () => {
  const file_id = await upload('a.txt', LONG);
  for (const endpoint of ['http://169.254.169.254/v1', 'other', '__proto__', 'constructor']) {
    const { status, body } = await post('documents', { file_id, model: 'm', endpoint });
    expect([status, body.error.param]).toEqual([400, 'endpoint']);
    expect(body.error.message).toContain('Known: big, nobody');
    expect(body.error.message).not.toContain('127.0.0.1');
  }
  const address = await post('documents', { file_id, model: 'm', base_url: 'http://127.0.0.1' });
  expect([address.status, address.body.error.param]).toEqual([400, 'base_url']);
  const silent = await post('documents', { file_id, model: 'm', endpoint: 'nobody' });
  expect([silent.status, silent.body.error.code]).toEqual([502, 'unreachable']);
});

test.each([
  ['documents', {}, 400, 'file_ids'],
  ['documents', { file_id: 'file-x', file_ids: ['file-x'] }, 400, 'file_id'],
  ['documents', { file_ids: ['file-none'] }, 400, 'file_ids'],
  ['documents', { file_id: 'file-none' }, 404, 'id'],
  ['documents', { file_id: 'file-none', model: 'unknown' }, 404, null],
  ['documents', { file_id: 'x', questions: 0 }, 400, 'questions'],
  ['rationale', { model: 'stories260k' }, 400, 'file_id'],
  ['overlap', { file_id: 'file-none' }, 400, 'other_file_id'],
])('%s refuses %o by name', async (path, body, status, param) => {
  const model = path === 'overlap' ? {} : { model: 'stories260k' };
  const answer = await post(path, { ...model, ...body });
  expect([answer.status, answer.body.error.param]).toEqual([status, param]);
});

test('unreadable documents and replies without rows are told; nothing that was paid for is lost', async () => {
  const file_id = await upload('cut.pdf', 'x');
  const cut = await post('documents', { file_id, model: 'm', endpoint: 'big' });
  expect([cut.status, cut.body.error.code]).toEqual([400, 'unreadable_document']);
  expect(cut.body.error.message).toMatch(/^cut\.pdf cannot be read/);
  reply = () => 'I would rather not.';
  const odd = await upload('odd.txt', MANUAL);
  const none = await post('documents', { file_id: odd, model: 'm', endpoint: 'big' });
  expect(none.body).toMatchObject({ rows: 0, file: null, rejected: { purpose: 'user_data' } });
  expect(await rowsOf(none.body.rejected.id)).toEqual([
    expect.objectContaining({ file: 'odd.txt', reply: 'I would rather not.' }),
  ]);
});

test('rationales are kept where they end in the right answer', async () => {
  reply = (prompt) => (prompt.includes('2+2') ? 'Two and two.\nAnswer: 4' : 'Answer: 7');
  const file_id = await upload(
    'qa.jsonl',
    '{"question":"2+2?","answer":"4"}\n{"question":"3+3?","answer":"6"}\n',
  );
  const { body } = await post('rationale', { file_id, model: 'm', endpoint: 'big' });
  expect(body).toMatchObject({
    ...{ object: 'tunery.rationales', asked: 2, kept: 1, share: 0.5 },
    file: { filename: 'qa_rationale.jsonl', purpose: 'fine-tune' },
    manifest: { steps: [{ do: 'rationale', model: 'm', endpoint: 'big' }], inputs: [{ rows: 2 }] },
  });
  expect(await rowsOf(body.file.id)).toEqual([
    {
      messages: [
        { role: 'user', content: '2+2?' },
        { role: 'assistant', content: 'Two and two.\nAnswer: 4' },
      ],
    },
  ]);
});

test('overlap compares two files', async () => {
  const [file_id, other_file_id] = [
    await upload('a.txt', 'red green blue'),
    await upload('b.txt', 'red black'),
  ];
  const { body } = await post('overlap', { file_id, other_file_id });
  expect(body).toEqual({ object: 'tunery.overlap', percent: 50, words: [3, 2] });
});

test('asking needs the scope infer too, and is charged to the key', async () => {
  const make = async (body: object, key?: string) =>
    (await post('/tunery/v1/keys', body, key === undefined ? {} : { key })).body.value as string;
  const admin = await make({ name: 'admin', scopes: ['admin'] });
  const tune = await make({ name: 'tune', scopes: ['tune'] }, admin);
  const both = await make({ name: 'both', scopes: ['tune', 'infer'], token_quota: 300 }, admin);
  const file_id = await upload('keys.txt', LONG, both);
  const request = { file_id, model: 'm', endpoint: 'big', chunk: 300 };
  reply = () => PAIR;
  const refused = await post('documents', request, { key: tune });
  expect([refused.status, refused.body.error.message]).toEqual([
    403,
    expect.stringContaining('infer'),
  ]);
  asked.length = 0;
  const used = await post('documents', request, { key: both });
  expect([used.status, used.body.error.code]).toEqual([429, 'insufficient_quota']);
  expect(asked).toHaveLength(3); // 120 tokens each, of 300
});

test('endpoints come from the environment; what is none stops the server from starting', () => {
  const read = (endpoints: string, more = {}) =>
    readConfig({ TUNERY_ENDPOINTS: endpoints, ...more }, 'localhost').endpoints;
  const key = { TUNERY_ENDPOINT_KEY_MY_BIG: 'sk-1' };
  expect(read('my-big=https://a.test/v1/, b=http://10.0.0.5:8000/v1', key)).toEqual({
    'my-big': { baseUrl: 'https://a.test/v1', apiKey: 'sk-1' },
    b: { baseUrl: 'http://10.0.0.5:8000/v1', apiKey: null },
  });
  for (const wrong of [
    'a',
    'a=ftp://b',
    'a=file:///etc/passwd',
    '__proto__=http://b',
    'a=http://u:p@b',
  ])
    expect(() => read(wrong)).toThrow('TUNERY_ENDPOINTS must be NAME=ADDRESS');
});
