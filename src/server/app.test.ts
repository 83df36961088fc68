// The HTTP rules that hold on every endpoint, with a real store and a sampler that repeats what it is
// told; jobs have their own tests in test/.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SampleRequest } from '../serve/protocol.ts';
import { openStore, type Store } from '../store/store.ts';
import { countingApp } from '../testing/counting-app.ts';
import type { Deps } from './deps.ts';

let directory: string;
let store: Store;
let now = Date.UTC(2026, 0, 1);
const seen: Omit<SampleRequest, 'id'>[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-app-'));
  store = await openStore(join(directory, 'data'));
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const app = (config: Partial<Deps['config']> = {}) =>
  countingApp({ store, seen, config, now: () => now });

/** What the tests below read of any answer. */
type Answer = {
  error: { message: string; type: string; param: string | null; code: string | null };
  id: string;
  created_at: number;
  expires_at: number;
  bytes: number;
  choices: { index: number; logprobs: unknown }[];
  usage: { completion_tokens: number };
  data: { id: string }[];
  first_id: string;
  last_id: string;
  has_more: boolean;
};

const call = async (path: string, init: RequestInit = {}, config: Partial<Deps['config']> = {}) => {
  const response = await app(config).request(path, init);
  return { response, status: response.status, body: (await response.json()) as Answer };
};
const post = (path: string, body: unknown, config = {}) =>
  call(
    path,
    {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    },
    config,
  );
const chat = { model: 'counter', messages: [{ role: 'user', content: 'Count.' }] };

function form(parts: Record<string, string | File>): RequestInit {
  const body = new FormData();
  for (const [name, value] of Object.entries(parts)) body.append(name, value);
  return { method: 'POST', body };
}
const ROW = '{"prompt":"a","completion":"b"}\n';
const rows = (name: string, content = ROW) => new File([content], name);

test('an unknown URL is a 404 with the four keys of an error and the usual headers', async () => {
  const { status, body, response } = await call('/v1/nothing');
  expect(status).toBe(404);
  expect(Object.keys(body.error).sort()).toEqual(['code', 'message', 'param', 'type']);
  expect(body.error).toMatchObject({
    type: 'invalid_request_error',
    param: null,
    code: 'unknown_url',
  });
  expect(body.error.message).toMatch(/^Unknown request URL: GET \/v1\/nothing\./);
  expect(response.headers.get('x-request-id')).toMatch(/^req_\w+$/);
  expect(Number(response.headers.get('openai-processing-ms'))).not.toBeNaN();
  expect(response.headers.get('openai-version')).toBe('2020-10-01');
  expect(response.headers.get('content-type')).toMatch(/^application\/json/);
});

test.each([
  ['half an object', '{"model": ', 'We could not parse the JSON body of your request.'],
  ['a list', '[1]', 'must be a JSON object'],
  ['UTF-16', '\ud800', 'not valid JSON'],
])('a body that is %s is refused', async (_, text, message) => {
  const { status, body } = await post('/v1/chat/completions', text);
  expect([status, body.error.message]).toEqual([400, expect.stringContaining(message)]);
});

test('a body that is too large is refused with 413 before it is read to the end', async () => {
  const { status, body } = await post(
    '/v1/chat/completions',
    { x: 'y'.repeat(2000) },
    { jsonLimit: 1000 },
  );
  expect(status).toBe(413);
  expect(body.error.message).toMatch(
    /^Maximum content size limit \(1000\) exceeded \(\d+ bytes read\)$/,
  );
});

test.each([
  [{ ...chat, model: undefined }, 'model', 'missing_required_parameter'],
  [{ ...chat, model: null }, 'model', 'missing_required_parameter'],
  [{ ...chat, messages: [] }, 'messages', 'array_below_min_length'],
  [{ ...chat, messages: 'hi' }, 'messages', 'invalid_type'],
  [{ ...chat, messages: [{ role: 'wizard', content: 'hi' }] }, 'messages[0].role', 'invalid_value'],
  [{ ...chat, messages: [{ role: 'user' }] }, 'messages[0].content', 'invalid_value'],
  [
    { ...chat, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
    'messages[0].content[0].type',
    'unsupported_parameter',
  ],
  [
    { ...chat, messages: [{ role: 'user', content: 'a\0b' }] },
    'messages[0].content',
    'invalid_value',
  ],
  [{ ...chat, temperature: 3 }, 'temperature', 'decimal_above_max_value'],
  [{ ...chat, temperature: 'hot' }, 'temperature', 'invalid_type'],
  [{ ...chat, n: 0 }, 'n', 'integer_below_min_value'],
  [{ ...chat, n: 1.5 }, 'n', 'invalid_type'],
  [{ ...chat, max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
  [{ ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
  [{ ...chat, top_logprobs: 2 }, 'top_logprobs', 'invalid_value'],
  [{ ...chat, tools: [{ type: 'function' }] }, 'tools[0].function', 'missing_required_parameter'],
  [{ ...chat, tool_choice: 'required' }, 'tool_choice', 'invalid_value'],
  [
    { ...chat, response_format: { type: 'json_schema' } },
    'response_format.json_schema',
    'missing_required_parameter',
  ],
  [{ ...chat, presence_penalty: 3 }, 'presence_penalty', 'decimal_above_max_value'],
  [{ ...chat, logit_bias: { 50: -101 } }, 'logit_bias.50', 'integer_below_min_value'],
  [{ ...chat, store: true }, 'store', 'unsupported_parameter'],
  [{ ...chat, max_tokens: 1000 }, 'messages', 'context_length_exceeded'],
  [{ ...chat, max_tokens: 1000, stream: true }, 'messages', 'context_length_exceeded'],
])('chat refuses %j and names %s', async (request, param, code) => {
  const { status, body } = await post('/v1/chat/completions', request);
  expect([status, body.error.param, body.error.code]).toEqual([400, param, code]);
});

test('values that ask for nothing are accepted, and unknown fields too unless the server is strict', async () => {
  const nulls = {
    n: null,
    max_tokens: 2,
    logprobs: null,
    stop: null,
    temperature: null,
    top_p: null,
  };
  const neutral = {
    presence_penalty: 0,
    logit_bias: {},
    user: 'u',
    metadata: {},
    store: false,
    tools: [],
  };
  const accepted = await post('/v1/chat/completions', {
    ...chat,
    ...nulls,
    ...neutral,
    made_up: 1,
  });
  expect(accepted.status).toBe(200);
  const known = { ...chat, ...neutral, reasoning_effort: 'low', service_tier: 'auto' };
  expect((await post('/v1/chat/completions', known, { strict: true })).status).toBe(200);
  const strict = await post('/v1/chat/completions', { ...chat, made_up: 1 }, { strict: true });
  expect([strict.status, strict.body.error.code]).toEqual([400, 'unknown_parameter']);
});

test('an unknown model is a 404 in the words of the endpoint', async () => {
  const chatError = await post('/v1/chat/completions', { ...chat, model: 'x' });
  expect([chatError.status, chatError.body.error.code]).toEqual([404, 'model_not_found']);
  expect(chatError.body.error.message).toBe(
    'The model `x` does not exist or you do not have access to it.',
  );
  const { status, body } = await call('/v1/models/x%3Ay');
  expect([status, body.error.message, body.error.param]).toEqual([
    404,
    "The model 'x:y' does not exist",
    'model',
  ]);
});

test.each(['org/name:1.5', 'org%2Fname%3A1.5'])('the model id %s is found', async (path) => {
  expect((await call(`/v1/models/${path}`)).body).toMatchObject({
    id: 'org/name:1.5',
    object: 'model',
  });
});

test('each choice of n has its own seed, derived from the one that was asked for', async () => {
  seen.length = 0;
  const { body } = await post('/v1/chat/completions', { ...chat, n: 3, seed: 41, max_tokens: 2 });
  expect(seen.map(({ seed }) => seed)).toEqual([41, 42, 43]);
  expect(body.choices.map((choice: { index: number }) => choice.index)).toEqual([0, 1, 2]);
  expect(body.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 });
});

test('text parts of a message are joined', async () => {
  seen.length = 0;
  const content = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ];
  await post('/v1/chat/completions', { ...chat, messages: [{ role: 'user', content }] });
  expect(seen[0]?.prompt).toEqual({ kind: 'chat', messages: [{ role: 'user', content: 'ab' }] });
});

test('a chat stream is framed as the API frames it', async () => {
  const request = { ...chat, max_tokens: 2, stream: true, stream_options: { include_usage: true } };
  const response = await app().request('/v1/chat/completions', {
    method: 'POST',
    body: JSON.stringify(request),
  });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const text = await response.text();
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  const chunks = text
    .trimEnd()
    .split('\n\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line.slice(6)));
  expect(chunks.map((chunk) => chunk.choices[0]?.delta)).toEqual([
    { role: 'assistant', content: '' },
    { content: '1 ' },
    { content: '2 ' },
    {},
    undefined,
  ]);
  expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([
    null,
    null,
    null,
    'length',
    undefined,
  ]);
  expect(chunks.at(-1).usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 2 });
  expect(new Set(chunks.map(({ id, created }) => `${id} ${created}`)).size).toBe(1);
  expect(chunks.some((chunk) => 'error' in chunk)).toBe(false);
});

test('completions answer for every prompt in order, with log-probabilities that agree', async () => {
  const { body } = await post('/v1/completions', {
    model: 'counter',
    prompt: ['a', [1, 2]],
    n: 2,
    max_tokens: 2,
    logprobs: 1,
  });
  expect(body.choices.map((choice: { index: number }) => choice.index)).toEqual([0, 1, 2, 3]);
  expect(body.choices[0]).toMatchObject({ text: '1 2 ', finish_reason: 'length' });
  expect(body.choices[0]?.logprobs).toEqual({
    tokens: ['1 ', '2 '],
    token_logprobs: [-1, -2],
    top_logprobs: [{ '1 ': -1 }, { '2 ': -2 }],
    text_offset: [0, 2],
  });
  expect(body.usage).toEqual({ prompt_tokens: 14, completion_tokens: 8, total_tokens: 22 });
});

test('echo puts the prompt before the text; best_of counts every candidate', async () => {
  const request = { model: 'counter', prompt: 'Go: ', max_tokens: 2, echo: true, best_of: 3 };
  const { body } = await post('/v1/completions', request);
  expect(body.choices).toHaveLength(1);
  expect(body.choices[0]).toMatchObject({ text: 'Go: 1 2 ', logprobs: null });
  expect(body.usage.completion_tokens).toBe(6);
  const streamed = await post('/v1/completions', { ...request, stream: true });
  expect([streamed.status, streamed.body.error.param]).toEqual([400, 'best_of']);
});

test.each([
  ['the file first', () => form({ file: rows('a.jsonl'), purpose: 'fine-tune' })],
  ['the purpose first', () => form({ purpose: 'fine-tune', file: rows('a.jsonl') })],
  ['a path as its name', () => form({ purpose: 'fine-tune', file: rows('../../etc/a.jsonl') })],
  [
    'a Windows path as its name',
    () => form({ purpose: 'fine-tune', file: rows('C:\\x\\a.jsonl') }),
  ],
])('an upload with %s is stored and comes back as it was', async (_, init) => {
  const { status, body } = await call('/v1/files', init());
  expect(status).toBe(200);
  expect(body).toMatchObject({
    object: 'file',
    filename: 'a.jsonl',
    bytes: ROW.length,
    purpose: 'fine-tune',
    status: 'processed',
  });
  const content = await app().request(`/v1/files/${body.id}/content`);
  expect(await content.text()).toBe(ROW);
  expect(content.headers.get('content-disposition')).toBe('attachment; filename="a.jsonl"');
  const gone = await call(`/v1/files/${body.id}`, { method: 'DELETE' });
  expect(gone.body).toEqual({ id: body.id, object: 'file', deleted: true });
  expect((await call(`/v1/files/${body.id}`)).status).toBe(404);
});

test.each([
  ['no purpose', () => form({ file: rows('a.jsonl') }), 'purpose'],
  ['an unknown purpose', () => form({ file: rows('a.jsonl'), purpose: 'fun' }), 'purpose'],
  ['no file', () => form({ purpose: 'fine-tune' }), 'file'],
  [
    'a control character in its name',
    () => form({ file: rows('a\u0007.jsonl'), purpose: 'fine-tune' }),
    'file',
  ],
  [
    'too short a life',
    () =>
      form({
        file: rows('a'),
        purpose: 'batch',
        'expires_after[anchor]': 'created_at',
        'expires_after[seconds]': '5',
      }),
    'expires_after.seconds',
  ],
  [
    'two files',
    () => ({
      method: 'POST',
      body: new Blob(
        [
          '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="b"\r\n\r\ny\r\n--b--\r\n',
        ],
        { type: 'multipart/form-data; boundary=b' },
      ),
    }),
    null,
  ],
  [
    'an end that is missing',
    () => ({
      method: 'POST',
      body: new Blob(
        ['--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx'],
        { type: 'multipart/form-data; boundary=b' },
      ),
    }),
    null,
  ],
  ['no multipart body', () => ({ method: 'POST', body: '{}' }), null],
])('an upload with %s is refused and leaves nothing behind', async (_, init, param) => {
  const { status, body } = await call('/v1/files', init());
  expect([status, body.error.param]).toEqual([400, param]);
  expect(await readdir(join(store.directory, 'files', 'incoming'))).toEqual([]);
});

test('a training file with a bad row is refused, and the answer names line, field and fix', async () => {
  const good = '{"messages":[{"role":"assistant","content":"x"}]}\n';
  const bad = `${good}${good.replace('assistant', 'wizard')}`;
  const { status, body } = await call(
    '/v1/files',
    form({ purpose: 'fine-tune', file: rows('a.jsonl', bad) }),
  );
  expect([status, body.error.param, body.error.code]).toEqual([400, 'file', 'invalid_file_format']);
  expect(body.error.message).toMatch(
    /^Invalid file format for Fine-Tuning API. Must be .jsonl. .*line 2, messages\[0\]\.role/,
  );
  const asData = await call(
    '/v1/files',
    form({ purpose: 'user_data', file: rows('a.jsonl', bad) }),
  );
  expect(asData.status).toBe(200);
});

test('a file may have exactly the largest size, and one byte more is refused', async () => {
  const send = (bytes: number) =>
    call('/v1/files', form({ purpose: 'batch', file: rows('a', 'x'.repeat(bytes)) }), {
      fileLimit: 1000,
    });
  expect((await send(1000)).body.bytes).toBe(1000);
  const { status, body } = await send(1001);
  expect([status, body.error.message]).toEqual([
    413,
    'Maximum content size limit (1000) exceeded (1001 bytes read)',
  ]);
});

test('a file with a life is gone when it is over', async () => {
  const life = { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '3600' };
  const { body } = await call('/v1/files', form({ purpose: 'batch', file: rows('a'), ...life }));
  expect(body.expires_at).toBe(body.created_at + 3600);
  now += 3_599_000;
  expect((await call(`/v1/files/${body.id}`)).status).toBe(200);
  now += 1000;
  expect((await call(`/v1/files/${body.id}`)).status).toBe(404);
});

test.each(['%2Ftmp%2Fx.jsonl', 'file-none', 'a%00b', '%ff', '%'])(
  'GET /v1/files/%s is a JSON 404',
  async (id) => {
    const { status, body } = await call(`/v1/files/${id}`);
    expect(status).toBe(404);
    expect(body.error.message).toMatch(/^No such File object: /);
  },
);

test('the pages of the file list visit every file once, newest first', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++)
    ids.unshift((await call('/v1/files', form({ purpose: 'vision', file: rows(`${i}`) }))).body.id);
  const visited: string[] = [];
  for (let after = ''; ; after = `&after=${visited.at(-1)}`) {
    const { body } = await call(`/v1/files?purpose=vision&limit=2${after}`);
    visited.push(...body.data.map((file: { id: string }) => file.id));
    expect([body.first_id, body.last_id]).toEqual([body.data[0]?.id, body.data.at(-1)?.id]);
    if (!body.has_more) break;
  }
  expect(visited).toEqual(ids);
  expect((await call('/v1/files?limit=0')).body).toMatchObject({ data: [], has_more: true });
  for (const query of ['limit=-1', 'limit=x', 'order=up', 'after=nothing', 'after=a%00b'])
    expect([query, (await call(`/v1/files?${query}`)).status]).toEqual([query, 400]);
});

test.each([
  ['http://localhost:3000', 200],
  ['http://127.0.0.1:8080', 200],
  ['https://evil.example', 403],
  ['null', 403],
])('a page of %s gets %i', async (origin, expected) => {
  const { status, response } = await call('/v1/models/counter', { headers: { origin } });
  expect(status).toBe(expected);
  expect(response.headers.get('access-control-allow-origin')).toBe(
    expected === 200 ? origin : null,
  );
});

test('a preflight of an allowed page is answered', async () => {
  const headers = {
    origin: 'http://localhost:3000',
    'access-control-request-headers': 'authorization,x-any',
  };
  const response = await app().request('/v1/files', { method: 'OPTIONS', headers });
  expect(response.status).toBe(204);
  expect(response.headers.get('access-control-allow-headers')).toBe('authorization,x-any');
});

test('a name that only points to this machine is refused', async () => {
  const { status } = await call('/v1/models/counter', { headers: { host: 'evil.example:8000' } });
  expect(status).toBe(403);
  const open = { loopbackOnly: false };
  expect((await call('/v1/models/counter', { headers: { host: 'my-pc:8000' } }, open)).status).toBe(
    200,
  );
});
