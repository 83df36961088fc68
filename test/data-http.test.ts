// /tunery/v1/data over the server's own surface: uploaded files in, reports and new files out.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Jobs } from '../src/jobs/jobs.ts';
import { openStore, type Store } from '../src/store/store.ts';
import { countingApp } from '../src/testing/counting-app.ts';

let directory: string;
let store: Store;
let app: ReturnType<typeof countingApp>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-data-http-'));
  store = await openStore(directory);
  const base = resolve('assets/models/stories260K.gguf');
  const jobs = {
    resolve: async (name: string) =>
      name === 'stories260k' ? { id: name, base, baseId: name, adapter: null } : null,
  } as Partial<Jobs> as Jobs;
  app = countingApp({ store, jobs });
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true });
});

const chat = (user: string, assistant: string) => ({
  messages: [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ],
});

async function upload(rows: readonly unknown[], purpose = 'fine-tune'): Promise<string> {
  const body = new FormData();
  body.set('purpose', purpose);
  body.set(
    'file',
    new File([rows.map((row) => `${JSON.stringify(row)}\n`).join('')], 'rows.jsonl'),
  );
  const response = await app.request('/v1/files', { method: 'POST', body });
  return ((await response.json()) as { id: string }).id;
}

async function post(path: string, body: object) {
  const response = await app.request(`/tunery/v1/data/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : null };
}

const content = async (id: string) => (await app.request(`/v1/files/${id}/content`)).text();

const ROWS = [
  ...Array.from({ length: 11 }, (_, i) =>
    chat(`What is ${i} plus ${i}, my friend?`, `It is ${2 * i}, my friend.`),
  ),
  chat('What is 3 plus 3, my friend?', 'It is 6, my friend.'),
  chat('Write to jane.roe@tunery.dev', 'I have written to her.'),
];

test('check reports on a file, with the model’s tokenizer, and mends it into a new file', async () => {
  const file_id = await upload(ROWS);
  const { status, body } = await post('check', {
    file_id,
    model: 'stories260k',
    fix: ['pii_email'],
    language: 'zh-CN',
  });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    object: 'tunery.data_report',
    ok: true,
    tokenizer: 'stories260k',
    train: { path: file_id, rows: 13 },
    fixed: [
      {
        rows: 12,
        dropped: 1,
        redaction_map: { '[EMAIL_1]': 'jane.roe@tunery.dev' },
        file: { object: 'file', filename: 'rows_fixed.jsonl', purpose: 'fine-tune' },
      },
    ],
  });
  expect(
    body.findings.find((item: { code: string }) => item.code === 'duplicate_exact').message,
  ).toContain('完全相同');
  const mended = await content(body.fixed[0].file.id);
  expect(mended).toContain('[EMAIL_1]');
  expect(mended).not.toContain('jane.roe');
});

test('progress comes as events and the result last', async () => {
  const { text } = await post('check', { file_id: await upload(ROWS), stream: true });
  const events = text.split('\n\n').filter((line) => line.startsWith('data: '));
  expect(JSON.parse(events[0]!.slice(6))).toMatchObject({ object: 'tunery.data_progress' });
  expect(JSON.parse(events.at(-2)!.slice(6))).toMatchObject({ object: 'tunery.data_report' });
  expect(events.at(-1)).toBe('data: [DONE]');
});

test('preview shows what is learned, in the model’s own tokens', async () => {
  const { body } = await post('preview', {
    file_id: await upload(ROWS),
    model: 'stories260k',
    rows: [2],
  });
  const [{ row, renderings }] = body.data;
  expect(row).toBe(2);
  const learned = renderings[0].stretches.filter((item: { weight: number }) => item.weight > 0);
  expect(learned.map((item: { text: string }) => item.text)).toEqual(['It is 2, my friend.</s>']);
});

test('convert and transform make new files', async () => {
  const file_id = await upload(ROWS);
  const converted = await post('convert', { file_id, to: 'completion', stop: ' END' });
  expect(converted.body).toMatchObject({ rows: 13, from: 'chat', to: 'completion' });
  const [first] = (await content(converted.body.file.id)).split('\n');
  expect(JSON.parse(first!)).toEqual({
    prompt: 'What is 0 plus 0, my friend?\n\n###\n\n',
    completion: ' It is 0, my friend. END',
  });
  const steps = [
    { do: 'dedupe', how: 'exact' },
    { do: 'split', parts: { train: 0.75, valid: 0.25 }, how: 'random' },
  ];
  const one = await post('transform', { file_id, steps, seed: 7 });
  expect(one.body.steps[0]).toMatchObject({ rows_before: 13, rows_after: 12, removed_lines: [12] });
  expect(one.body.files.map((file: { filename: string }) => file.filename)).toEqual([
    'rows_transformed_train.jsonl',
    'rows_transformed_valid.jsonl',
  ]);
  const two = await post('transform', { file_id, steps, seed: 7 });
  expect(two.body.manifest.outputs).toEqual(one.body.manifest.outputs);
});

test('what was redacted is put back from the map that the answer held; placeholders are filled', async () => {
  const file_id = await upload([...ROWS, chat('Who are you?', 'I am {{name}}, your helper.')]);
  const redacted = await post('transform', { file_id, steps: [{ do: 'redact' }] });
  const { files, redaction_map: map } = redacted.body;
  expect(await content(files[0].id)).toContain('Write to [EMAIL_1]');
  const back = await post('transform', { file_id: files[0].id, steps: [{ do: 'restore', map }] });
  expect(await content(back.body.files[0].id)).toBe(await content(file_id));
  const path = await post('transform', { file_id, steps: [{ do: 'restore', map: '/etc/passwd' }] });
  expect([path.status, path.body.error.param]).toEqual([400, 'steps[0].map']);
  const filled = await post('check', { file_id, fix: 'auto', fill: { name: 'Tina' } });
  expect(await content(filled.body.fixed[0].file.id)).toContain('I am Tina, your helper.');
});

test.each([
  ['check', { file_id: 'file-none' }, 404, 'id'],
  ['check', { file_id: 'x', speed: 1 }, 400, 'speed'],
  ['convert', { file_id: 'x', to: 'xml' }, 400, 'to'],
  [
    'transform',
    { file_id: 'x', steps: [{ do: 'mix', path: '/etc/passwd', ratio: '1:1' }] },
    404,
    'id',
  ],
])('%s refuses %o by name', async (path, body, status, param) => {
  const answer = await post(path, body);
  expect([answer.status, answer.body.error.param]).toEqual([status, param]);
});

test('steps that mean nothing are refused with their place, and no path of the server is read', async () => {
  const file_id = await upload(ROWS);
  const unknown = await post('transform', { file_id, steps: [{ do: 'polish' }] });
  expect([unknown.status, unknown.body.error.param]).toEqual([400, 'steps[0]']);
  const path = await post('transform', {
    file_id,
    steps: [{ do: 'mix', path: '/etc/passwd', ratio: '1:1' }],
  });
  expect([path.status, path.body.error.param]).toEqual([400, 'steps[0].path']);
  const filter = await post('transform', {
    file_id,
    steps: [{ do: 'filter', where: 'process.exit()' }],
  });
  expect([filter.status, filter.body.error.param]).toEqual([400, 'where']);
});

test('a file that cannot be read is named as its owner knows it', async () => {
  const body = new FormData();
  body.set('purpose', 'user_data');
  const bytes = readFileSync('test/fixtures/tables/password.xlsx');
  body.set('file', new File([bytes], '我的表.xlsx'));
  const uploaded = await app.request('/v1/files', { method: 'POST', body });
  const { id: file_id } = (await uploaded.json()) as { id: string };
  for (const [tool, more] of [
    ['check', {}],
    ['convert', { to: 'chat' }],
    ['transform', { steps: [{ do: 'shuffle' }] }],
    ['preview', { model: 'stories260k' }],
  ] as const) {
    const refused = await post(tool, { file_id, ...more });
    expect(refused.status).toBe(400);
    expect(refused.body.error.message).toMatch(
      /^我的表\.xlsx: is protected by a password\. Open it/,
    );
  }
});
