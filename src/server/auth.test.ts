// Keys as clients meet them: who is let in, with which words the others are kept out, and what is counted.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore, type Store } from '../store/store.ts';
import { countingApp } from '../testing/counting-app.ts';
import { RULES, scopesFor } from './auth-scopes.ts';
import type { Config } from './config.ts';
import { duration } from './rate-limit.ts';

type App = ReturnType<typeof countingApp>;
type Key = { id: string; value: string; redacted_value: string };

let now = Date.UTC(2026, 0, 1);
const appOn = (store: Store, config: Partial<Config> = {}) =>
  countingApp({ store, config, now: () => now });

async function call(app: App, path: string, { key, ...init }: RequestInit & { key?: string } = {}) {
  const headers = { ...(init.headers as Record<string, string> | undefined) };
  if (key !== undefined) headers['authorization'] = `Bearer ${key}`;
  const response = await app.request(path, { ...init, headers });
  const text = await response.text();
  const body = text.startsWith('{') ? JSON.parse(text) : text;
  return { response, status: response.status, body, error: body.error, headers: response.headers };
}

const post = (app: App, path: string, body: unknown, key?: string) =>
  call(app, path, {
    method: 'POST',
    body: JSON.stringify(body),
    ...(key === undefined ? {} : { key }),
  });

const makeKey = async (app: App, request: object = {}, by?: string): Promise<Key> => {
  const { status, body } = await post(app, '/tunery/v1/keys', request, by);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
};
const chat = { model: 'counter', messages: [{ role: 'user', content: 'Count.' }] };

// All servers share a database; each `fresh()` one finds it without keys.
let store: Store;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunery-keys-'));
  store = await openStore(join(folder, 'data'));
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});
const fresh = async (config: Partial<Config> = {}) => {
  await store.database.query('delete from api_keys');
  return appOn(store, config);
};

test('without any key everybody on this machine may do everything, whatever key they send', async () => {
  const app = await fresh();
  expect((await call(app, '/v1/models/counter')).status).toBe(200);
  expect((await call(app, '/v1/models/counter', { key: 'EMPTY' })).status).toBe(200);
  expect((await call(app, '/tunery/v1/keys')).body.data).toEqual([]);
});

test('the first key cannot be made from afar', async () => {
  const app = await fresh({ loopbackOnly: false });
  expect((await call(app, '/v1/models/counter')).status).toBe(200);
  const { status, error } = await post(app, '/tunery/v1/keys', {});
  expect([status, error.message]).toEqual([403, expect.stringContaining('tunery keys create')]);
});

test('from the first key on, requests without a key or with a wrong one are refused, masked', async () => {
  const app = await fresh();
  const { value } = await makeKey(app);
  expect(value).toMatch(/^sk-[A-Za-z0-9]{48}$/);
  expect((await call(app, '/v1/models/counter', { key: value })).status).toBe(200);

  const none = await call(app, '/v1/models/counter');
  expect([none.status, none.error]).toEqual([
    401,
    {
      message: expect.stringMatching(/^You didn't provide an API key\./),
      type: 'invalid_request_error',
      param: null,
      code: null,
    },
  ]);
  const wrong = await call(app, '/v1/models/counter', { key: 'sk-abcdefghijklmnopqrstuvwxyz' });
  expect([wrong.status, wrong.error]).toEqual([
    401,
    {
      message: expect.stringMatching(/^Incorrect API key provided: sk-ab\*\*\*wxyz\./),
      type: 'invalid_request_error',
      param: null,
      code: 'invalid_api_key',
    },
  ]);
  expect(wrong.headers.get('x-request-id')).toMatch(/^req_/);
  const short = await call(app, '/v1/models/counter', { key: 'hunter2' });
  expect(short.error.message).toMatch(/^Incorrect API key provided: \*\*\*\./);
  for (const authorization of ['Basic abc', 'Bearer', 'Bearer ', value]) {
    const { status, error } = await call(app, '/v1/models', { headers: { authorization } });
    expect([authorization, status, error.code]).toEqual([authorization, 401, null]);
  }
  expect((await call(app, '/healthz')).status).toBe(200);
  const lower = { authorization: `bearer ${value}` };
  expect((await call(app, '/v1/models/counter', { headers: lower })).status).toBe(200);
  expect((await call(app, '/v1/nothing', { key: value })).error.code).toBe('unknown_url');
  expect((await call(app, '/v1/nothing')).status).toBe(401);
});

test('a restarted server knows its keys, and only their hashes are in the database', async () => {
  const { value } = await makeKey(await fresh());
  const again = appOn(store);
  expect((await call(again, '/v1/models/counter')).status).toBe(401);
  expect((await call(again, '/v1/models/counter', { key: value })).status).toBe(200);
  const rows = await store.database.query('select * from api_keys');
  expect(JSON.stringify(rows)).not.toContain(value.slice(5, -4));
});

test('the first key may administrate, later ones only when asked for, and scopes say who may do what', async () => {
  const app = await fresh();
  const admin = await makeKey(app, { name: 'first' });
  const plain = await makeKey(app, {}, admin.value);
  const infer = await makeKey(app, { scopes: ['infer'] }, admin.value);
  const read = await makeKey(app, { scopes: ['read', 'read'] }, admin.value);
  const tune = await makeKey(app, { scopes: ['tune'] }, admin.value);
  // Who may begin work may see how it goes, and no more.
  for (const [key, path, status] of [
    [tune, '/v1/files', 200],
    [tune, '/v1/batches', 403],
    [infer, '/v1/batches', 200],
    [infer, '/v1/files', 403],
  ] as const)
    expect((await call(app, path, { key: key.value })).status, path).toBe(status);
  const may = async (key: Key, method: string, path: string, body?: unknown) =>
    (
      await call(app, path, {
        method,
        key: key.value,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    ).status;
  expect(await may(plain, 'GET', '/tunery/v1/keys')).toBe(403);
  expect(await may(plain, 'DELETE', '/v1/models/counter')).toBe(403);
  expect(await may(plain, 'POST', '/v1/chat/completions', chat)).toBe(200);
  expect(await may(infer, 'POST', '/v1/chat/completions', chat)).toBe(200);
  expect(await may(infer, 'GET', '/v1/models/counter')).toBe(200);
  expect(await may(infer, 'GET', '/v1/files')).toBe(403);
  expect(await may(infer, 'POST', '/v1/fine_tuning/jobs', {})).toBe(403);
  expect(await may(read, 'GET', '/v1/files')).toBe(200);
  expect(await may(read, 'HEAD', '/v1/files')).toBe(200);
  expect(await may(read, 'POST', '/v1/chat/completions', chat)).toBe(403);
  expect(await may(read, 'GET', '/v1/nothing')).toBe(404);
  expect(await may(admin, 'GET', '/v1/files')).toBe(200);
  const { error } = await post(app, '/v1/completions', {}, read.value);
  expect(error).toEqual({
    message: expect.stringContaining('Missing scopes: infer. This API key has: read.'),
    type: 'invalid_request_error',
    param: null,
    code: null,
  });
});

test('every route of the server has a rule, so that its scope was thought about', () => {
  const paths = appOn({ database: { query: async () => [] } } as unknown as Store)
    .routes.filter(({ method, path }) => method !== 'ALL' && path !== '/healthz')
    .map(({ method, path }) => [method, path.replace(/:[^/]+/g, 'x')] as const);
  expect(paths.length).toBeGreaterThan(20);
  expect(paths.filter(([method, path]) => scopesFor(method, path) === null)).toEqual([]);
  for (const [, path] of RULES) expect(path).toMatch(/^\/[^*]+[^/]$/);
});

test('the guide prints the table of scopes as it is', () => {
  const guide = readFileSync('docs/guides/keys.md', 'utf8');
  const table = RULES.map(
    ([method, path, ...scopes]) =>
      `| ${method === '*' ? 'any' : method} | \`${path}\` | ${scopes.join(' or ')} |\n`,
  ).join('');
  expect(guide).toContain(`| scope |\n|---|---|---|\n${table}`);
});

test('an answer under way ends when its key is revoked', async () => {
  const app = await fresh();
  const admin = await makeKey(app);
  const key = await makeKey(app, {}, admin.value);
  const response = await app.request('/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: `Bearer ${key.value}` },
    body: JSON.stringify({ ...chat, stream: true, max_tokens: 100 }),
  });
  expect(response.status).toBe(200);
  const by = { method: 'DELETE', key: admin.value };
  expect((await call(app, `/tunery/v1/keys/${key.id}`, by)).status).toBe(200);
  const lines = (await response.text()).trim().split('\n\n');
  expect(lines.length).toBeLessThan(100);
  expect(lines.at(-1)).toMatch(/^data: \{"error":\{.*"code":"invalid_api_key"/);
});

test('keys are listed without their value, revoked for ever, and expire', async () => {
  const app = await fresh();
  const admin = await makeKey(app);
  const by = { key: admin.value };
  const brief = await makeKey(app, { name: 'brief', expires_in: 60 }, admin.value);
  const listed = await call(app, '/tunery/v1/keys', by);
  expect(listed.body.data).toMatchObject([
    {
      id: brief.id,
      name: 'brief',
      redacted_value: `${brief.value.slice(0, 5)}***${brief.value.slice(-4)}`,
    },
    { id: admin.id, last_used_at: now / 1000 },
  ]);
  expect(JSON.stringify(listed.body)).not.toMatch(/sha256|"value"/);

  expect((await call(app, '/v1/models/counter', { key: brief.value })).status).toBe(200);
  now += 60_000;
  const expired = await call(app, '/v1/models/counter', { key: brief.value });
  expect([expired.status, expired.error.code]).toEqual([401, 'invalid_api_key']);

  const path = `/tunery/v1/keys/${admin.id}`;
  expect((await call(app, path, { method: 'DELETE', ...by })).body).toMatchObject({
    deleted: true,
  });
  const revoked = await call(app, '/v1/models/counter', by);
  expect([revoked.status, revoked.error.message]).toEqual([
    401,
    expect.stringContaining('revoked'),
  ]);
  // No way back to an open server.
  expect((await call(appOn(store), '/v1/models/counter')).status).toBe(401);
});

describe('on a server with keys', () => {
  let shared: App;
  let sharedKey: Key;
  beforeAll(async () => {
    shared = await fresh();
    sharedKey = await makeKey(shared);
  });

  test.each([
    [{ scopes: ['write'] }, 'scopes[0]'],
    [{ scopes: [] }, 'scopes'],
    [{ requests_per_minute: 0 }, 'requests_per_minute'],
    [{ tokens_per_minute: 1.5 }, 'tokens_per_minute'],
    [{ organization: 'a:b' }, 'organization'],
    [{ organization: 'org-' }, 'organization'],
    [{ name: '' }, 'name'],
    [{ expires_in: -1 }, 'expires_in'],
    [{ scope: 'admin' }, 'scope'],
  ])('a key with %j is refused and the field named', async (request, param) => {
    const { status, error } = await post(shared, '/tunery/v1/keys', request, sharedKey.value);
    expect([status, error.param]).toEqual([400, param]);
  });

  test('requests per minute are limited with the headers and the 429 that clients know', async () => {
    const { value } = await makeKey(shared, { requests_per_minute: 2 }, sharedKey.value);
    const first = await call(shared, '/v1/models/counter', { key: value });
    expect(Object.fromEntries(first.headers)).toMatchObject({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '30s',
    });
    expect(first.headers.has('x-ratelimit-limit-tokens')).toBe(false);
    await call(shared, '/v1/models/counter', { key: value });
    now += 10_000;
    const third = await call(shared, '/v1/models/counter', { key: value });
    expect([third.status, third.error]).toEqual([
      429,
      {
        message: expect.stringMatching(
          /^Rate limit reached for .*Limit: 2\. Please try again in 20s/,
        ),
        type: 'requests',
        param: null,
        code: 'rate_limit_exceeded',
      },
    ]);
    expect(Object.fromEntries(third.headers)).toMatchObject({
      'retry-after': '20',
      'x-ratelimit-remaining-requests': '0',
    });
    expect(third.headers.has('x-should-retry')).toBe(false);
    now += 20_000;
    expect((await call(shared, '/v1/models/counter', { key: value })).status).toBe(200);
  });

  test.each([false, true])('tokens per minute count what was used (stream: %s)', async (stream) => {
    const { value } = await makeKey(shared, { tokens_per_minute: 20 }, sharedKey.value);
    const request = { ...chat, max_tokens: 23, stream };
    const first = await post(shared, '/v1/chat/completions', request, value); // 7 + 23 tokens
    expect(first.status).toBe(200);
    if (!stream) expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('0');
    const second = await post(shared, '/v1/chat/completions', request, value);
    expect([second.status, second.error.type, second.error.code]).toEqual([
      429,
      'tokens',
      'rate_limit_exceeded',
    ]);
    expect(second.headers.get('retry-after')).toBe('33'); // from -10 to 1 at 20 a minute
    expect((await call(shared, '/v1/models/counter', { key: value })).status).toBe(200);
    now += 33_000;
    expect((await post(shared, '/v1/chat/completions', request, value)).status).toBe(200);
  });

  test('every choice of a stream is charged, also those that start late', async () => {
    const { value } = await makeKey(shared, { tokens_per_minute: 1000 }, sharedKey.value);
    await post(
      shared,
      '/v1/chat/completions',
      { ...chat, n: 20, max_tokens: 3, stream: true },
      value,
    );
    const { headers } = await call(shared, '/v1/models/counter', { key: value });
    expect(headers.get('x-ratelimit-remaining-tokens')).toBe(String(1000 - 20 * (7 + 3)));
  });

  test('the tokens of embeddings and of a model that grades are charged too', async () => {
    const { value } = await makeKey(shared, { tokens_per_minute: 100 }, sharedKey.value);
    const left = async () =>
      Number(
        (await call(shared, '/v1/models/counter', { key: value })).headers.get(
          'x-ratelimit-remaining-tokens',
        ),
      );
    const embedding = { model: 'counter', input: 'one two' };
    const { body } = await post(shared, '/v1/embeddings', embedding, value);
    expect(await left()).toBe(100 - body.usage.total_tokens);
    const grader = {
      type: 'score_model',
      name: 'judge',
      model: 'counter',
      input: [{ role: 'user', content: 'Rate.' }],
      sampling_params: { max_completions_tokens: 3 },
    };
    const path = '/v1/fine_tuning/alpha/graders/run';
    await post(shared, path, { grader, model_sample: 'x' }, value);
    expect(await left()).toBe(100 - body.usage.total_tokens - (7 + 3));
  });

  test('a quota that is used up is a 429 that clients do not try again', async () => {
    const { value, id } = await makeKey(shared, { token_quota: 12 }, sharedKey.value);
    expect((await post(shared, '/v1/chat/completions', chat, value)).status).toBe(200);
    const { status, error, headers } = await post(shared, '/v1/chat/completions', chat, value);
    expect([status, error.type, error.code]).toEqual([
      429,
      'insufficient_quota',
      'insufficient_quota',
    ]);
    expect(headers.get('x-should-retry')).toBe('false');
    const { body } = await call(shared, '/tunery/v1/keys', { key: sharedKey.value });
    const listed = body.data.find((key: Key) => key.id === id);
    expect(listed).toMatchObject({ tokens_used: 12, token_quota: 12 });
  });

  test('a key belongs to an organisation and perhaps a project, and headers must agree', async () => {
    const request = { organization: 'acme', project: 'proj_red' };
    const { value } = await makeKey(shared, request, sharedKey.value);
    const ask = async (headers: Record<string, string>) => {
      const { status, error, ...rest } = await call(shared, '/v1/models/counter', {
        key: value,
        headers,
      });
      return { status, code: error?.code, organization: rest.headers.get('openai-organization') };
    };
    expect(await ask({})).toMatchObject({ status: 200, organization: 'org-acme' });
    expect(
      await ask({ 'openai-organization': 'org-acme', 'openai-project': 'proj_red' }),
    ).toMatchObject({ status: 200 });
    expect(await ask({ 'openai-organization': 'org-other' })).toMatchObject({
      status: 401,
      code: 'mismatched_organization',
    });
    expect(await ask({ 'openai-project': 'proj_blue' })).toMatchObject({
      status: 401,
      code: 'mismatched_project',
    });
  });

  test('the official client turns these answers into its own classes of errors', async () => {
    const { value } = await makeKey(
      shared,
      { scopes: ['read'], requests_per_minute: 2 },
      sharedKey.value,
    );
    const client = (apiKey: string) =>
      new OpenAI({
        apiKey,
        baseURL: 'http://localhost/v1',
        maxRetries: 0,
        fetch: async (url, init) => shared.request(String(url), init),
      });
    await expect(client('sk-wrong-wrong-wrong').files.list()).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    await expect(
      client(value).completions.create({ model: 'counter', prompt: '' }),
    ).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    await client(value).files.list();
    await client(value).files.list();
    await expect(client(value).files.list()).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  });
});

test('durations are written as the original does', () => {
  expect([0, 17, 1500, 60_000, 361_250].map(duration)).toEqual([
    '0ms',
    '17ms',
    '1.5s',
    '1m0s',
    '6m1.25s',
  ]);
});
