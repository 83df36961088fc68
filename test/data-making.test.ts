// tunery data generate and distil, and the same over HTTP: rows that a model makes.

import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Opened, openServer } from '../src/server/start.ts';
import { Program } from './program.ts';
import { runCli } from './run-cli.ts';

// biome-ignore lint/suspicious/noExplicitAny: JSON, looked at by the tests
type Json = any;
const asked: Json[] = [];
/** `cut`: it reaches the longest allowed answer. */
let reply: (prompt: string) => string | { status: number } | { cut: string } = () => '';
let atOnce = 0;
let mostAtOnce = 0;

const teacher = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString());
  asked.push(body);
  mostAtOnce = Math.max(mostAtOnce, ++atOnce);
  await new Promise((resolve) => setTimeout(resolve, 20));
  atOnce -= 1;
  const said = reply(body.messages.at(-1).content);
  const status = typeof said === 'object' && 'status' in said ? said.status : 200;
  const cut = typeof said === 'object' && 'cut' in said;
  response.writeHead(status, { 'content-type': 'application/json' });
  const message = { role: 'assistant', content: cut ? said.cut : said };
  const choices = [{ message, finish_reason: cut ? 'length' : 'stop' }];
  const usage = { prompt_tokens: 100, completion_tokens: 20 };
  response.end(JSON.stringify(status === 200 ? { choices, usage } : { error: { message: 'no' } }));
});

let directory: string;
let server: Opened;
let url: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-making-'));
  await new Promise<void>((resolve) => teacher.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(teacher.address() as AddressInfo).port}/v1`;
  server = await openServer({
    dataDir: join(directory, 'data'),
    modelsDirs: ['assets/models'],
    env: { TUNERY_ENDPOINTS: `big=${url}` },
  });
});
afterAll(async () => {
  await server.stop();
  await server.close();
  teacher.closeAllConnections();
  teacher.close();
  await rm(directory, { recursive: true });
});

const send = (path: string, init: RequestInit = {}) =>
  server.fetch(new Request(`http://localhost${path}`, init));
async function upload(
  name: string,
  content: string | Uint8Array<ArrayBuffer>,
  purpose = 'user_data',
): Promise<Json> {
  const body = new FormData();
  body.set('purpose', purpose);
  body.set('file', new File([content], name));
  return (await send('/v1/files', { method: 'POST', body })).json();
}
async function post(tool: string, body: object) {
  asked.length = 0;
  mostAtOnce = 0;
  const response = await send(`/tunery/v1/data/${tool}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const events: Json[] = text
    .split('\n\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)));
  return { status: response.status, events, body: text.startsWith('{') ? JSON.parse(text) : null };
}
const content = async ({ id }: { id: string }) => (await send(`/v1/files/${id}/content`)).text();
const lines = (text: string): Json[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const jsonl = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const file = (name: string, text: string) => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const tunery = (...args: string[]) =>
  runCli(['data', ...args, '--model', 'teacher', '--base-url', url]);

let count = 0;
/** A turn that was not there before. */
const turn = () => JSON.stringify({ turns: [{ user: `Question ${++count}?`, assistant: 'Yes.' }] });

test('a served model makes fifteen rows about a topic that can be uploaded and trained on', async () => {
  const { body } = await post('generate', {
    model: 'stories260k',
    topic: 'selling mattresses',
    aspects: ['comfort', 'eco-friendliness', 'price', 'installation'],
    max_tokens: 200,
  });
  expect(body).toMatchObject({
    object: 'tunery.generation',
    wanted: 15,
    rows: 15,
    file: { filename: 'generated_rows.jsonl', purpose: 'fine-tune' },
  });
  const text = await content(body.file);
  expect(await upload('mydata.jsonl', text, 'fine-tune')).toMatchObject({ object: 'file' });
  expect(new Set(text.trim().split('\n')).size).toBe(15);
  expect(lines(await content(body.provenance))[5]).toEqual({
    line: 6,
    ...{ topic: 'selling mattresses', aspect: 'eco-friendliness', number: 6 },
    generated_by: 'stories260k',
  });
}, 120_000);

test('generate asks for topic, aspects, turns, language and form, each row with its own seed', async () => {
  reply = turn;
  const like = await upload(
    'like.jsonl',
    jsonl({
      messages: [
        { role: 'system', content: 'You sell.' },
        ...[1, 2].flatMap((n) => [
          { role: 'user', content: `Ask ${n}` },
          { role: 'assistant', content: `Tell ${n}` },
        ]),
      ],
    }),
  );
  const request = {
    ...{ model: 'm', endpoint: 'big', topic: 'beds', aspects: ['price', 'care'], count: 3 },
    ...{ language: 'German', like_file_id: like.id, temperature: 0.9, max_tokens: 99, seed: 40 },
  };
  const { body } = await post('generate', { ...request, inline: true });
  const prompts = asked.map(({ messages }) => messages.at(-1).content as string);
  expect(prompts[0]).toContain('one conversation of 2 turns about: beds, in particular: price.');
  expect(prompts[1]).toContain('in particular: care');
  expect(prompts[0]).toContain('Write in German');
  expect(prompts[0]).toContain('Tell 2');
  expect(asked.map(({ seed }) => seed)).toEqual([40, 41, 42]);
  expect(asked[0]).toMatchObject({ temperature: 0.9, max_tokens: 99, model: 'm' });
  const [row] = lines(await content(body.file));
  expect(row.messages[0]).toEqual({ role: 'system', content: 'You sell.' });
  expect(row.source).toMatchObject({ topic: 'beds', generated_by: 'm' });
  expect(body.manifest).toMatchObject({
    seed: 40,
    steps: [{ do: 'generate', topic: 'beds', count: 3, turns: 2, endpoint: 'big' }],
    inputs: [{ sha256: expect.any(String) }],
  });
  await post('generate', { ...request, system: 'You give.', turns: 1, parallel: 3, seed: 'none' });
  expect(asked[0].messages.at(-1).content).toContain('one question and its answer');
  expect(asked[0]).not.toHaveProperty('seed');
  expect(mostAtOnce).toBeGreaterThan(1);
  const plan = await post('generate', { ...request, topic: 'x', dry_run: true, stream: true });
  expect(plan.events.at(-1)).toMatchObject({ object: 'tunery.data_plan', questions: 3 });
  expect(asked).toEqual([]);
});

test('what is no row or was there before is asked again, and what is missing in the end is told', async () => {
  reply = () => (asked.length % 2 === 0 ? 'I would rather not.' : turn());
  const request = { model: 'm', endpoint: 'big', topic: 'lamps', count: 4 };
  const { body } = await post('generate', { ...request, price_in: 10, price_out: 50 });
  expect(body).toMatchObject({ rows: 4, wanted: 4, asked: 7, cost: 0.014 });
  expect(lines(await content(body.rejected))[0]).toEqual({
    number: 2,
    reply: 'I would rather not.',
  });
  reply = () => '{"turns":[{"user":"Same?","assistant":"Same."}]}';
  const same = await post('generate', { ...request, topic: 'more lamps' });
  expect(same.body).toMatchObject({ rows: 1, wanted: 4, asked: 16 });
  expect(lines(await content(same.body.rejected))[0]).toMatchObject({ reason: 'there already' });
});

test.each([
  [
    'completion',
    { prompt: 'Which bed?\n\n###\n\n', completion: ' This one.' },
    { prompt: 'Q?\n\n###\n\n', completion: ' A.' },
  ],
  [
    'alpaca',
    { instruction: 'Which bed?', input: '', output: 'This one.' },
    { instruction: 'Q?', input: '', output: 'A.' },
  ],
  ['qa', { question: 'Which bed?', answer: 'This one.' }, { question: 'Q?', answer: 'A.' }],
])('rows are written in the form %s of the example', async (_, example, row) => {
  reply = () => '{"turns":[{"user":"Q?","assistant":"A."}]}';
  const like = file('example.jsonl', jsonl(example));
  const output = join(directory, 'formed.jsonl');
  const args = ['--topic', 'beds', '--like', like, '--count', '1', '-o', output];
  expect(await tunery('generate', ...args)).toMatchObject({ code: 0 });
  expect(lines(readFileSync(output, 'utf8'))).toEqual([row]);
});

test('generate says what it lacks, plans, and makes the same again from its manifest', async () => {
  expect(await tunery('generate')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--topic'),
  });
  const odd = file('odd.jsonl', jsonl({ text: 'only text' }));
  const refused = await tunery('generate', '--topic', 'x', '--like', odd);
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringContaining('odd.jsonl: the first row'),
  });
  asked.length = 0;
  const output = join(directory, 'again.jsonl');
  const args = ['--topic', 'beds', '--aspects', 'price，care', '--count', '3', '-o', output];
  const plan = await tunery('generate', ...args, '--dry-run', '--json');
  expect([JSON.parse(plan.out), asked]).toEqual([
    expect.objectContaining({ object: 'tunery.generate_plan', questions: 3 }),
    [],
  ]);
  reply = (prompt) =>
    JSON.stringify({ turns: [{ user: /number \d/.exec(prompt)![0], assistant: 'Yes.' }] });
  expect((await tunery('generate', ...args)).out).toContain('3 of 3 rows');
  const recipe = ['data', 'generate', '--recipe', `${output}.manifest.json`, '--base-url', url];
  expect(await runCli([...recipe, '--count', '9'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('--recipe and --count exclude each other'),
  });
  expect(await runCli(recipe)).toMatchObject({
    code: 0,
    err: expect.stringContaining('the same bytes'),
  });
});

test('a teacher’s answers become chat rows, whatever form the questions have', async () => {
  reply = (prompt) => `<think>hm</think>Answer to ${prompt}`;
  const questions = file(
    'questions.jsonl',
    jsonl(
      {
        messages: [
          { role: 'user', content: 'A?' },
          { role: 'assistant', content: 'old' },
        ],
      },
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'B?' },
        ],
      },
      { prompt: 'C?\n\n###\n\n', completion: ' old' },
      { question: 'D?' },
      { instruction: 'E?', input: 'of this', output: '' },
      { messages: [{ role: 'assistant', content: 'nothing asked' }] },
    ),
  );
  const args = ['distil', questions, '--system', 'Be kind.'];
  const { code, out, err } = await tunery(...args);
  expect([code, err]).toEqual([0, expect.stringContaining('5 questions')]);
  expect(out).toContain('5 of 5 questions answered');
  expect(out).toContain('1 row(s) hold nothing to ask: line 6');
  const rows = lines(readFileSync(join(directory, 'questions_distilled.jsonl'), 'utf8'));
  expect(rows[0]).toEqual({
    messages: [
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'A?' },
      { role: 'assistant', content: 'Answer to A?' },
    ],
  });
  expect(rows[1].messages[0].content).toBe('Be brief.');
  expect(rows.map(({ messages }) => messages.at(-2).content)).toEqual([
    ...['A?', 'B?', 'C?', 'D?', 'E?\nof this'],
  ]);
  expect(
    lines(readFileSync(join(directory, 'questions_distilled.jsonl.provenance.jsonl'), 'utf8'))[2],
  ).toEqual({
    ...{ line: 3, file: questions, from_line: 3, generated_by: 'teacher' },
  });
});

test('distil over HTTP: lines of text, sampling, progress, and answers that are missing', async () => {
  const { id: file_id } = await upload('list.txt', 'First?\nSecond?\nThird?\n');
  reply = (prompt) => {
    if (prompt === 'Third?') return { cut: 'A whole sentence. Half of' };
    return prompt === 'Second?' ? '' : `So: ${prompt}`;
  };
  const request = { file_id, model: 'm', endpoint: 'big', temperature: 0, max_tokens: 50, seed: 9 };
  const { events } = await post('distil', { ...request, inline: true, system: 'S', stream: true });
  expect(asked[0]).toMatchObject({ temperature: 0, max_tokens: 50, seed: 9 });
  expect(events[0]).toMatchObject({ stage: 'plan', questions: 3 });
  const result = events.at(-1);
  expect(result).toMatchObject({
    object: 'tunery.distillation',
    rows: 2,
    asked: 3,
    shortened: 1,
    left_out: [],
  });
  const [row, short] = lines(await content(result.file));
  expect(short).toMatchObject({
    messages: [{}, { content: 'Third?' }, { content: 'A whole sentence.' }],
    source: { shortened: true },
  });
  expect(row).toMatchObject({
    messages: [{ content: 'S' }, { content: 'First?' }, { content: 'So: First?' }],
    source: { file: 'list.txt', from_line: 1, generated_by: 'm' },
  });
  expect(lines(await content(result.rejected))).toMatchObject([{ line: 2, reply: '' }]);
  const paid = { dry_run: true, price_in: 1e6, price_out: 0 };
  const dry = await post('distil', { ...request, ...paid });
  expect([dry.body.cost, asked]).toEqual([dry.body.prompt_tokens, []]);
});

test('distil reads the sheet and the encoding that it is given, and asks side by side', async () => {
  reply = (prompt) => `So: ${prompt}`;
  const request = { model: 'm', endpoint: 'big' };
  const bytes = new Uint8Array(Buffer.from('question\ncaf\xe9?\n', 'latin1'));
  const csv = await upload('list.csv', bytes);
  await post('distil', { ...request, file_id: csv.id, encoding: 'windows-1252' });
  expect(asked[0].messages.at(-1).content).toBe('café?');
  const { default: XLSX } = await import('@e965/xlsx');
  const book = XLSX.utils.book_new();
  for (const name of ['first', 'second'])
    XLSX.utils.book_append_sheet(
      book,
      XLSX.utils.json_to_sheet([{ question: name }, { question: `${name}?` }]),
      name,
    );
  const xlsx = await upload(
    'list.xlsx',
    new Uint8Array(XLSX.write(book, { type: 'buffer', bookType: 'xlsx' })),
  );
  await post('distil', { ...request, file_id: xlsx.id, sheet: 'second', parallel: 2 });
  expect(asked.map(({ messages }) => messages.at(-1).content).sort()).toEqual([
    'second',
    'second?',
  ]);
  expect(mostAtOnce).toBe(2);
});

test.each([
  ['generate', { model: 'stories260k' }, 'topic'],
  ['generate', { model: 'stories260k', topic: 't', like_file_id: 'file-none' }, 'like_file_id'],
  ['generate', { model: 'stories260k', topic: 't', count: 0 }, 'count'],
  ['generate', { model: 'm', topic: 't', endpoint: 'http://127.0.0.1' }, 'endpoint'],
  ['distil', { model: 'stories260k' }, 'file_id'],
])('%s refuses %o by name', async (tool, body, param) => {
  const answer = await post(tool, body);
  expect([answer.status, answer.body.error.param]).toEqual([400, param]);
});

test.skipIf(process.platform === 'win32')(
  'the recipe for growth by own labels runs to its end, and marks what was labelled',
  async () => {
    const env = { OUT: directory };
    const { code, err } = await new Program('bash', ['recipes/label-and-grow.sh'], { env }).ended();
    expect(code, err).toBe(0);
    const marks = lines(readFileSync(join(directory, 'labelled.jsonl.provenance.jsonl'), 'utf8'));
    expect(marks).toHaveLength(12);
    expect(marks[0].generated_by).toMatch(/^ft:stories260k:.*:best:/);
    expect(lines(readFileSync(join(directory, 'all.jsonl'), 'utf8'))).toHaveLength(24);
  },
  180_000,
);
