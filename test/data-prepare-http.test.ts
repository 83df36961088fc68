// POST /tunery/v1/data/prepare: an uploaded table in, prepared files out.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Jobs } from '../src/jobs/jobs.ts';
import { openStore, type Store } from '../src/store/store.ts';
import { countingApp } from '../src/testing/counting-app.ts';

let directory: string;
let store: Store;
let app: ReturnType<typeof countingApp>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-prepare-http-'));
  store = await openStore(directory);
  app = countingApp({ store, jobs: {} as Jobs });
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

async function upload(name: string, content: string): Promise<string> {
  const body = new FormData();
  body.set('purpose', 'user_data');
  body.set('file', new File([content], name));
  const response = await app.request('/v1/files', { method: 'POST', body });
  return ((await response.json()) as { id: string }).id;
}

async function prepare(body: object) {
  const response = await app.request('/tunery/v1/data/prepare', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : null };
}

const table = Array.from({ length: 40 }, (_, i) => `mail ${i},${i % 4 ? 'ham' : 'spam'}`).join(
  '\n',
);

test('a table becomes two files, with the conversation and no path of the server', async () => {
  const file_id = await upload('mail.csv', `text,label\n${table}\n`);
  const { status, body, text } = await prepare({ file_id });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    object: 'tunery.data_preparation',
    task: 'classification',
    rows: { read: 40, written: 40 },
    files: [{ filename: 'mail_prepared_train.jsonl' }, { filename: 'mail_prepared_valid.jsonl' }],
    rejected: null,
    command: expect.stringContaining('-t "mail_prepared_train.jsonl"'),
  });
  expect(text).not.toContain(tmpdir());
  const content = await app.request(`/v1/files/${body.files[1].id}/content`);
  expect((await content.text()).trim().split('\n').length).toBe(8);
});

test('progress comes as events, the result last', async () => {
  const file_id = await upload('mail.csv', `text,label\n${table}\n`);
  const { text } = await prepare({ file_id, stream: true, to: 'chat', system: 'Judge.' });
  expect(text).toContain('"filename":"mail_prepared.jsonl"');
});

test('damaged rows are an error that names the line, and kept apart on request', async () => {
  const file_id = await upload('bad.csv', `prompt,completion\n${table}\na,b,c\n`);
  const refused = await prepare({ file_id });
  expect(refused.status).toBe(400);
  expect(refused.body.error).toMatchObject({ code: 'invalid_file_format', param: 'file' });
  expect(refused.body.error.message).toContain('bad.csv, line 42: the row has 3 cells');
  const fixed = await prepare({ file_id, fix: true });
  expect(fixed.body.rejected).toMatchObject({ filename: 'bad_prepared_rejected.jsonl' });
});

test('what cannot be meant is refused by name', async () => {
  const file_id = await upload('mail.csv', `text,label\n${table}\n`);
  const wrong = async (body: object) => (await prepare({ file_id, ...body })).body.error.param;
  expect(await wrong({ system: 'x' })).toBe('system');
  expect(await wrong({ where: ['nonsense'] })).toBe('where');
  expect(await wrong({ to: 'xml' })).toBe('to');
  expect((await prepare({ file_id: 'file-none' })).status).toBe(404);
});
