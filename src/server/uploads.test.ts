// Uploads in parts through the official clients, old and new, on a real store.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import OpenAI, { toFile } from 'openai';
import OpenAI4 from 'openai-v4';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore, type Store } from '../store/store.ts';
import { countingApp } from '../testing/counting-app.ts';
import type { Config } from './config.ts';
import { listen } from './listen.ts';

let directory: string;
let store: Store;
let now = Date.UTC(2026, 0, 1);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-uploads-'));
  store = await openStore(join(directory, 'data'));
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const app = (config: Partial<Config> = {}) => countingApp({ store, config, now: () => now });
const client = (config: Partial<Config> = {}) =>
  new OpenAI({
    apiKey: 'sk-test',
    baseURL: 'http://localhost/v1',
    maxRetries: 0,
    fetch: async (url, init) =>
      app(config).request(url instanceof Request ? url : String(url), init),
  });

const ROW = (i: number) => `{"prompt":"a${i}","completion":"b"}\n`;
const TEXT = Array.from({ length: 12 }, (_, i) => ROW(i)).join('');
const PIECES = [TEXT.slice(0, 70), TEXT.slice(70, 71), TEXT.slice(71)];
const md5 = createHash('md5').update(TEXT).digest('hex');
const begin = (bytes = TEXT.length, more = {}) =>
  client().uploads.create({
    filename: '/tmp/big.jsonl',
    purpose: 'fine-tune',
    bytes,
    mime_type: 'text/jsonl',
    ...more,
  });
const part = async (id: string, text: string) =>
  client().uploads.parts.create(id, { data: await toFile(Buffer.from(text), 'blob') });
const waiting = () => readdir(join(directory, 'data', 'uploads')).catch(() => []);
const caught = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof OpenAI.APIError)
    return { status: error.status, param: error.param, message: error.message.slice(4) };
  throw error ?? new Error('was not refused');
};

test('parts in parallel and out of order become one file in the order of part_ids', async () => {
  const upload = await begin();
  expect(upload).toMatchObject({
    object: 'upload',
    status: 'pending',
    filename: 'big.jsonl',
    bytes: TEXT.length,
    purpose: 'fine-tune',
    file: null,
    expires_at: upload.created_at + 3600,
  });
  expect(upload.id).toMatch(/^upload_\w+$/);
  const [c, b, a] = await Promise.all(PIECES.toReversed().map((piece) => part(upload.id, piece)));
  expect(a).toMatchObject({ object: 'upload.part', upload_id: upload.id });
  expect(a?.id).toMatch(/^part_\w+$/);
  const part_ids = [a!.id, b!.id, c!.id];
  const done = await client().uploads.complete(upload.id, { part_ids, md5: md5.toUpperCase() });
  expect(done).toMatchObject({ id: upload.id, status: 'completed' });
  expect(done.file).toMatchObject({
    object: 'file',
    filename: 'big.jsonl',
    bytes: TEXT.length,
    purpose: 'fine-tune',
    status: 'processed',
  });
  const content = await client().files.content(done.file!.id);
  expect(await content.text()).toBe(TEXT);
  expect(await waiting()).not.toContain(upload.id);
  expect(await caught(client().uploads.complete(upload.id, { part_ids }))).toEqual({
    status: 400,
    param: null,
    message: expect.stringContaining('is completed'),
  });
});

test('the client of 2024 uploads in parts too', async () => {
  const server = await listen((request) => app().fetch(request), { port: 0, host: '127.0.0.1' });
  const old = new OpenAI4({ apiKey: 'sk-test', baseURL: `${server.url}/v1`, maxRetries: 0 });
  const { id } = await old.uploads.create({
    filename: 'x.bin',
    purpose: 'user_data',
    bytes: 4,
    mime_type: 'application/octet-stream',
  });
  const first = await old.uploads.parts.create(id, { data: await toFile(Buffer.from('ab')) });
  const second = await old.uploads.parts.create(id, { data: await toFile(Buffer.from('cd')) });
  const done = await old.uploads.complete(id, { part_ids: [second.id, first.id] });
  expect(await (await old.files.content(done.file!.id)).text()).toBe('cdab');
  await server.close();
});

test('what does not add up is refused by name, and the upload can still be completed', async () => {
  const upload = await begin();
  const ids: string[] = [];
  for (const piece of PIECES) ids.push((await part(upload.id, piece)).id);
  const extra = await part(upload.id, PIECES[1]!); // sent twice, as clients do that lost the answer
  const complete = (part_ids: string[], more = {}) =>
    client().uploads.complete(upload.id, { part_ids, ...more });
  const wrong = '0'.repeat(32);
  expect(await caught(complete(ids.slice(1)))).toEqual({
    status: 400,
    param: 'part_ids',
    message: expect.stringContaining(`announced with ${TEXT.length}`),
  });
  expect(await caught(complete([...ids, extra.id]))).toMatchObject({
    status: 400,
    param: 'part_ids',
  });
  expect(await caught(complete([ids[0]!, ids[0]!]))).toMatchObject({
    status: 400,
    param: 'part_ids[1]',
  });
  expect(await caught(complete([ids[0]!, 'part_none']))).toMatchObject({
    status: 400,
    param: 'part_ids[1]',
  });
  expect(await caught(complete([]))).toMatchObject({ status: 400, param: 'part_ids' });
  expect(await caught(complete(ids, { md5: wrong }))).toEqual({
    status: 400,
    param: 'md5',
    message: expect.stringContaining(md5),
  });
  expect(await caught(complete(ids, { md5: 'no' }))).toMatchObject({ status: 400, param: 'md5' });
  expect(await readdir(join(directory, 'data', 'files', 'incoming'))).toEqual([]);
  const done = await complete([ids[0]!, extra.id, ids[2]!], { md5 });
  expect(done.file?.bytes).toBe(TEXT.length);
});

test('rows are checked as they are for a file that comes at once', async () => {
  const text = TEXT.replace('"completion"', '"answer"');
  const upload = await begin(text.length);
  const { id } = await part(upload.id, text);
  const { message, ...rest } = await caught(
    client().uploads.complete(upload.id, { part_ids: [id] }),
  );
  expect(rest).toEqual({ status: 400, param: 'file' });
  expect(message).toMatch(/Must be .jsonl.*line 1/);
});

test('a cancelled upload takes nothing more and leaves nothing on disk', async () => {
  const upload = await begin();
  const { id } = await part(upload.id, TEXT);
  const cancelled = await client().uploads.cancel(upload.id);
  expect(cancelled).toMatchObject({ id: upload.id, status: 'cancelled' });
  expect(await waiting()).not.toContain(upload.id);
  for (const call of [
    part(upload.id, 'x'),
    client().uploads.complete(upload.id, { part_ids: [id] }),
    client().uploads.cancel(upload.id),
  ])
    expect(await caught(call)).toEqual({
      status: 400,
      param: null,
      message: expect.stringContaining('is cancelled'),
    });
});

test('of a cancel and a completion at the same time one wins', async () => {
  const upload = await begin();
  const { id } = await part(upload.id, TEXT);
  const ends = await Promise.allSettled([
    client().uploads.complete(upload.id, { part_ids: [id] }),
    client().uploads.cancel(upload.id),
    client().uploads.complete(upload.id, { part_ids: [id] }),
  ]);
  expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const end of ends)
    if (end.status === 'rejected') expect(end.reason).toBeInstanceOf(OpenAI.BadRequestError);
  expect(await readdir(join(directory, 'data', 'files', 'incoming'))).toEqual([]);
});

test('an upload goes on after a restart', async () => {
  const upload = await begin();
  const ids = [(await part(upload.id, PIECES[0]!)).id];
  await store.close();
  store = await openStore(join(directory, 'data'));
  for (const piece of PIECES.slice(1)) ids.push((await part(upload.id, piece)).id);
  const done = await client().uploads.complete(upload.id, { part_ids: ids, md5 });
  expect(await (await client().files.content(done.file!.id)).text()).toBe(TEXT);
});

test('an upload expires after an hour, its file after the life that was asked for', async () => {
  const expires_after = { anchor: 'created_at' as const, seconds: 3600 };
  const [late, kept] = [await begin(), await begin(TEXT.length, { expires_after })];
  const { id } = await part(kept.id, TEXT);
  await part(late.id, TEXT);
  now += 3_599_000;
  const { file } = await client().uploads.complete(kept.id, { part_ids: [id] });
  expect(file?.expires_at).toBe(file!.created_at + 3600);
  now += 1000;
  expect(await caught(part(late.id, 'x'))).toEqual({
    status: 400,
    param: null,
    message: expect.stringContaining('is expired'),
  });
  expect(await waiting()).not.toContain(late.id);
  now += 3_600_000;
  expect(await caught(client().files.retrieve(file!.id))).toMatchObject({
    status: 404,
    param: 'id',
  });
});

test('an upload of no bytes, as the tests of the official clients begin one, is an empty file', async () => {
  const { id, bytes } = await begin(0, { purpose: 'user_data' });
  expect(bytes).toBe(0);
  const { status, file } = await client().uploads.complete(id, { part_ids: [] });
  expect([status, file?.bytes]).toEqual(['completed', 0]);
});

test('a part and an upload have a largest size', async () => {
  const small = client({ partLimit: 10, uploadLimit: 25 });
  const announce = (bytes: number) =>
    small.uploads.create({ filename: 'a', purpose: 'batch', bytes, mime_type: 'text/plain' });
  expect(await caught(announce(26))).toMatchObject({ status: 400, param: 'bytes' });
  const { id } = await announce(25);
  const send = async (bytes: number) =>
    small.uploads.parts.create(id, { data: await toFile(Buffer.alloc(bytes)) });
  expect(await caught(send(11))).toEqual({
    status: 413,
    param: null,
    message: 'Maximum content size limit (10) exceeded (11 bytes read)',
  });
  for (const bytes of [10, 10]) await send(bytes);
  expect(await caught(send(6))).toMatchObject({ status: 400, param: 'data' });
});

test.each([
  [{ filename: undefined }, 'filename'],
  [{ filename: 'a\nb' }, 'filename'],
  [{ filename: 'x'.repeat(300) }, 'filename'],
  [{ purpose: 'fun' }, 'purpose'],
  [{ bytes: -1 }, 'bytes'],
  [{ bytes: 1.5 }, 'bytes'],
  [{ bytes: '5' }, 'bytes'],
  [{ bytes: 8 * 1024 ** 3 + 1 }, 'bytes'],
  [{ mime_type: null }, 'mime_type'],
  [{ expires_after: { anchor: 'created_at', seconds: 60 } }, 'expires_after.seconds'],
  [{ expires_after: { anchor: 'last_used', seconds: 3600 } }, 'expires_after.anchor'],
])('an upload with %j is refused and names %s', async (more, param) => {
  expect(await caught(begin(10, more))).toMatchObject({ status: 400, param: param });
});

test('an unknown upload is a 404 on each of its paths', async () => {
  for (const path of ['upload_none/parts', 'upload_none/complete', '%2F/cancel', 'a%00b/cancel']) {
    const body = path.endsWith('complete') ? '{"part_ids":["a"]}' : null;
    const response = await app().request(`/v1/uploads/${path}`, { method: 'POST', body });
    const { error } = (await response.json()) as { error: { message: string } };
    expect([path, response.status]).toEqual([path, 404]);
    expect(error.message).toMatch(/^No such Upload object: /);
  }
});

test.each(['/v1/files', 'parts'])(
  'bytes to %s that break off leave nothing behind',
  async (where) => {
    const server = await listen((request) => app().fetch(request), { port: 0, host: '127.0.0.1' });
    const path = where === 'parts' ? `/v1/uploads/${(await begin()).id}/parts` : where;
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const name = where === 'parts' ? 'data' : 'file';
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n` +
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n' +
        `--b\r\nContent-Disposition: form-data; name="${name}"; filename="a"\r\n\r\n${'x'.repeat(5000)}`,
    );
    const incoming = join(directory, 'data', 'files', 'incoming');
    while ((await readdir(incoming)).length === 0) await setImmediate();
    socket.destroy();
    while ((await readdir(incoming)).length > 0) await setImmediate();
    await server.close();
  },
);

test('a strict server names fields that it does not know', async () => {
  const strict = client({ strict: true });
  const body = { filename: 'a', purpose: 'batch', bytes: 1, mime_type: 'a/b', made_up: 1 } as const;
  expect(await caught(strict.uploads.create(body))).toMatchObject({
    status: 400,
    param: 'made_up',
    message: "Unknown parameter: 'made_up'.",
  });
  expect((await client().uploads.create(body)).status).toBe('pending');
});
