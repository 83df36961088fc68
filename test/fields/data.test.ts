// What each field of /tunery/v1/data/… does, over HTTP; each call is a child process. What the tools
// themselves do has tests of its own (test/data-*.test.ts).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import XLSX from '@e965/xlsx';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Jobs } from '../../src/jobs/jobs.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { countingApp } from '../../src/testing/counting-app.ts';

vi.setConfig({ testTimeout: 180_000 });

const MODEL = 'stories260k';
let directory: string;
let store: Store;
let app: ReturnType<typeof countingApp>;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-data-fields-'));
  store = await openStore(directory);
  const base = resolve('assets/models/stories260K.gguf');
  const jobs = {
    resolve: async (id: string) => (id === MODEL ? { id, base, baseId: id, adapter: null } : null),
  } as Partial<Jobs> as Jobs;
  app = countingApp({ store, jobs });
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: JSON, looked at by the tests
type Answer = any;

async function upload(content: string | Uint8Array<ArrayBuffer>, name: string): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'user_data');
  form.set('file', new File([content], name));
  const response = await app.request('/v1/files', { method: 'POST', body: form });
  return ((await response.json()) as { id: string }).id;
}
const jsonl = (rows: readonly object[], name = 'rows.jsonl') =>
  upload(rows.map((row) => `${JSON.stringify(row)}\n`).join(''), name);

async function data(tool: string, body: object): Promise<Answer> {
  const response = await app.request(`/tunery/v1/data/${tool}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text.startsWith('{') ? JSON.parse(text) : text;
}
/** Rows of a file that a tool made. */
async function rowsOf({ id }: { id: string }): Promise<Answer[]> {
  const text = await (await app.request(`/v1/files/${id}/content`)).text();
  return text.trim() === ''
    ? []
    : text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
}

const chat = (user: string, assistant: string) => ({
  messages: [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ],
});
const GREETINGS = Array.from({ length: 12 }, (_, i) =>
  chat(`How does one greet guest number ${i}?`, `Good evening, guest number ${i}.`),
);
const PAIRS = Array.from({ length: 8 }, (_, i) => ({
  prompt: `item ${i} ->`,
  completion: ` c${i}`,
}));

test('every tool reads the sheet, the encoding and the stream flag that it is given', async () => {
  const book = XLSX.utils.book_new();
  const table = (word: string) =>
    PAIRS.map((_, i) => ({ prompt: `${word} item ${i} ->`, completion: ` ${word} c${i}` }));
  for (const name of ['first', 'second'])
    XLSX.utils.book_append_sheet(book, XLSX.utils.json_to_sheet(table(name)), name);
  const bytes = new Uint8Array(XLSX.write(book, { type: 'buffer', bookType: 'xlsx' }));
  const sheets = await upload(bytes, 'book.xlsx');
  // The same bytes are other letters in another encoding.
  const letters = Buffer.from(
    `prompt,completion\n${PAIRS.map((_, i) => `caf\xe9 ${i} ->, \xe9${i}\n`).join('')}`,
    'latin1',
  );
  const coded = await upload(new Uint8Array(letters), 'letters.csv');
  const made = {
    check: async (body: object) => JSON.stringify((await data('check', body)).train),
    preview: async (body: object) =>
      JSON.stringify((await data('preview', { model: MODEL, count: 1, ...body })).data),
    convert: async (body: object) =>
      JSON.stringify(await rowsOf((await data('convert', { to: 'text', ...body })).file)),
    transform: async (body: object) =>
      JSON.stringify(
        await rowsOf((await data('transform', { steps: [{ do: 'shuffle' }], ...body })).files[0]),
      ),
    prepare: async (body: object) =>
      JSON.stringify(await rowsOf((await data('prepare', body)).files[0])),
  };
  await Promise.all(
    Object.entries(made).map(async ([name, make]) => {
      const [one, two] = [
        await make({ file_id: sheets, sheet: 'first' }),
        await make({ file_id: sheets, sheet: 'second' }),
      ];
      expect(two, name).not.toBe(one);
      const [west, east] = [
        await make({ file_id: coded, encoding: 'windows-1252' }),
        await make({ file_id: coded, encoding: 'windows-1251' }),
      ];
      expect(east, name).not.toBe(west);
    }),
  );
  const streams = await Promise.all([
    data('preview', { file_id: coded, encoding: 'windows-1252', model: MODEL, stream: true }),
    data('convert', { file_id: coded, encoding: 'windows-1252', to: 'text', stream: true }),
    data('transform', {
      ...{ file_id: coded, encoding: 'windows-1252', stream: true },
      steps: [{ do: 'shuffle' }],
    }),
  ]);
  for (const text of streams) expect(text).toMatch(/^data: [\s\S]*data: \[DONE\]\n\n$/);
});

test('check compares with the validation file, cuts at context_length, and leaves out what is switched off', async () => {
  const near = 'The quick brown fox jumps over the lazy dog near the river bank in the morning sun';
  const file_id = await jsonl([
    ...GREETINGS,
    chat('Tell me about the fox, please.', `${near}.`),
    chat('Tell me about the fox, please!', `${near}!`),
  ]);
  const validation_file_id = await jsonl(GREETINGS.slice(0, 2), 'valid.jsonl');
  const [plain, lean, long] = await Promise.all([
    data('check', { file_id, validation_file_id, model: MODEL }),
    data('check', { file_id, near_duplicates: false, screen: 0 }),
    data('check', { file_id, model: MODEL, context_length: 8 }),
  ]);
  const codes = (report: Answer) => report.findings.map(({ code }: { code: string }) => code);
  expect([plain.valid.path, lean.valid]).toEqual([validation_file_id, null]);
  expect(codes(plain)).toEqual(expect.arrayContaining(['leakage', 'duplicate_near']));
  expect(codes(lean)).not.toContain('duplicate_near');
  expect(plain.train.screened_for_unsafe_content).toBeGreaterThan(0);
  expect(lean.train.screened_for_unsafe_content).toBe(0);
  expect([plain.train.over_context.rows, long.train.over_context.rows]).toEqual([0, 14]);
});

test('check fills placeholders with what it is told', async () => {
  const rows = [...GREETINGS, chat('And who are you, my friend?', 'I am <NAME>, your helper.')];
  const body = { file_id: await jsonl(rows), fix: ['placeholder'], fill: { name: 'Ada' } };
  const [{ file }] = (await data('check', body)).fixed;
  expect(JSON.stringify(await rowsOf(file))).toContain('I am Ada, your helper.');
});

test('preview shows as many rows as asked for, up to context_length', async () => {
  const file_id = await jsonl(GREETINGS);
  const [two, cut] = await Promise.all([
    data('preview', { file_id, model: MODEL, count: 2 }),
    data('preview', { file_id, model: MODEL, count: 1, context_length: 8 }),
  ]);
  expect(two.data.map(({ row }: { row: number }) => row)).toEqual([1, 2]);
  expect(two.data[0].renderings[0].cut).toBe(0);
  expect(cut.data[0].renderings[0].cut).toBeGreaterThan(0);
});

test('convert does with rows what each of its fields says', async () => {
  const file_id = await jsonl([
    ...PAIRS.slice(0, 4),
    { prompt: 'who ->', completion: ' I am <NAME>' },
    { prompt: 'old ->', completion: ' old word' },
  ]);
  const converted = async (body: object) =>
    rowsOf((await data('convert', { file_id, to: 'chat', ...body })).file);
  const bad = await jsonl([...PAIRS.slice(0, 3), { prompt: 7 }], 'bad.jsonl');
  const others = await jsonl([{ q: 'Who?', a: 'Me.' }], 'others.jsonl');
  const texts = await jsonl([{ text: 'one', label: 'two' }], 'texts.jsonl');
  const chats = await jsonl(GREETINGS.slice(0, 1), 'chats.jsonl');
  const [plain, headed, separated, filled, replaced, some, same, other, skipped, renamed, as] =
    await Promise.all([
      converted({}),
      converted({ system: 'Be brief.' }),
      data('convert', { file_id: chats, to: 'completion', separator: ' =>' }),
      converted({ fill: { name: 'Ada' } }),
      converted({ replace: [['old word', 'new word']] }),
      converted({ sample: 3 }),
      converted({ sample: 3, seed: 1 }),
      converted({ sample: 3, seed: 4 }),
      data('convert', { file_id: bad, to: 'chat', skip_bad: true }),
      data('convert', { file_id: others, to: 'chat', keys: { q: 'question', a: 'answer' } }),
      data('convert', { file_id: texts, to: 'text', from: 'text' }),
    ]);
  expect(plain).toHaveLength(6);
  expect(headed[0].messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
  expect((await rowsOf(separated.file))[0].prompt).toMatch(/\? =>$/);
  expect(JSON.stringify(filled)).toContain('I am Ada');
  expect(JSON.stringify(replaced)).toContain('new word');
  expect(some).toHaveLength(3);
  expect(same).toEqual(some);
  expect(other).not.toEqual(some);
  expect([skipped.rows, skipped.skipped.length]).toEqual([3, 1]);
  expect(await rowsOf(renamed.file)).toEqual([chat('Who?', 'Me.')]);
  expect(await rowsOf(as.file)).toEqual([{ text: 'one' }]);
});

test('the seed of a transformation decides the order; a general set is named by file_id', async () => {
  const file_id = await jsonl(PAIRS);
  const general = await jsonl([{ prompt: 'general ->', completion: ' g' }], 'general.jsonl');
  const shuffled = async (seed: number) =>
    rowsOf((await data('transform', { file_id, steps: [{ do: 'shuffle' }], seed })).files[0]);
  const [one, again, two, mixed, marked] = await Promise.all([
    shuffled(1),
    shuffled(1),
    shuffled(2),
    data('transform', {
      file_id,
      steps: [{ do: 'mix', file_id: general, ratio: '4:1', repeat: true }],
    }),
    data('transform', {
      file_id,
      steps: [
        { do: 'separator', separator: ' =>', stop: ' END', old: [' ->'] },
        { do: 'sample', rows: 5 },
        { do: 'redact', kinds: ['email'] },
      ],
    }),
  ]);
  expect(again).toEqual(one);
  expect(two).not.toEqual(one);
  const words = (await rowsOf(mixed.files[0])).map(({ prompt }) => prompt);
  expect(words.filter((prompt) => prompt === 'general ->')).toHaveLength(2);
  const rows = await rowsOf(marked.files[0]);
  expect(rows).toHaveLength(5);
  expect(rows[0].prompt).toMatch(/^item \d =>$/);
});

test('redact takes the kinds that are named and leaves the others', async () => {
  const file_id = await jsonl([{ prompt: 'a@example.com or 13812345678 ->', completion: ' ok' }]);
  const redacted = async (step: object) =>
    (await rowsOf((await data('transform', { file_id, steps: [step] })).files[0]))[0].prompt;
  const [all, phones] = await Promise.all([
    redacted({ do: 'redact' }),
    redacted({ do: 'redact', kinds: ['phone'] }),
  ]);
  expect(all).not.toContain('13812345678');
  expect(phones).not.toContain('13812345678');
  expect(phones).toContain('a@example.com');
});

test('prepare makes of a table what each of its fields says', async () => {
  const lines = Array.from({ length: 12 }, (_, i) => `t${i};b${i};${i % 3};${i % 2 ? 'en' : 'de'}`);
  const file_id = await upload(`title;body;stars;tongue\n${lines.join('\n')}\n`, 'reviews.txt');
  const own = {
    ...{ file_id, format: 'csv' },
    prompt: { template: '{title}: {body} ->' },
    completion: { column: 'stars' },
  };
  const who = await jsonl(
    Array.from({ length: 10 }, (_, i) => ({
      ...{ instruction: `Who are you? ${i}`, input: '', output: 'I am <NAME> by <AUTHOR>.' },
    })),
    'who.json',
  );
  const prepared = async (body: object) => {
    const report = await data('prepare', { ...own, ...body });
    const files = await Promise.all(report.files.map(rowsOf));
    return { report, rows: files.flat() };
  };
  const turned = { prompt: { column: 'title' }, completion: { template: ' {body}' } };
  const [plain, chosen, other, chats, some, same, different, named, chinese] = await Promise.all([
    prepared({}),
    prepared({ where: ["tongue == 'en'"] }),
    prepared(turned),
    prepared({ ...turned, to: 'chat', system: 'Be brief.' }),
    prepared({ ...turned, sample: 4 }),
    prepared({ ...turned, sample: 4, seed: 42 }),
    prepared({ ...turned, sample: 4, seed: 7 }),
    data('prepare', { file_id: who, name: 'Ada', author: 'Tunery' }),
    prepared({ language: 'zh-CN' }),
  ]);
  expect(plain.rows).toHaveLength(12);
  expect(plain.rows[0].prompt).toMatch(/^t\d+: b\d+ ->/);
  expect(plain.rows[0].completion).toMatch(/^ [012]/);
  expect(chosen.rows).toHaveLength(6);
  expect(other.rows[0].completion).toMatch(/^ b\d/);
  expect(chats.rows[0].messages[0]).toEqual({ role: 'system', content: 'Be brief.' });
  expect(some.rows).toHaveLength(4);
  expect(same.rows).toEqual(some.rows);
  expect(different.rows).not.toEqual(some.rows);
  expect(JSON.stringify(await rowsOf(named.files[0]))).toContain('I am Ada by Tunery.');
  expect(JSON.stringify(chinese.report)).toMatch(/\p{Script=Han}/u);
  expect(JSON.stringify(plain.report)).not.toMatch(/\p{Script=Han}/u);
});

test('overlap reads the sheet, the encoding and the stream flag too', async () => {
  const book = XLSX.utils.book_new();
  for (const word of ['red', 'blue'])
    XLSX.utils.book_append_sheet(book, XLSX.utils.json_to_sheet([{ prompt: word }]), word);
  const bytes = new Uint8Array(XLSX.write(book, { type: 'buffer', bookType: 'xlsx' }));
  const [sheets, cafe] = [await upload(bytes, 'book.xlsx'), await upload('café red', 'b.txt')];
  const latin = new Uint8Array(Buffer.from('caf\xe9 noir', 'latin1'));
  const letters = await upload(latin, 'letters.txt');
  const compared = (fields: object) => data('overlap', { other_file_id: cafe, ...fields });
  const [red, blue, west, east, streamed] = await Promise.all([
    compared({ file_id: sheets, sheet: 'red' }),
    compared({ file_id: sheets, sheet: 'blue' }),
    compared({ file_id: letters, encoding: 'windows-1252' }),
    compared({ file_id: letters, encoding: 'windows-1251' }),
    compared({ file_id: cafe, stream: true }),
  ]);
  expect(red.percent).toBeGreaterThan(blue.percent);
  expect(west.percent).toBeGreaterThan(east.percent);
  expect(streamed).toMatch(/^data: [\s\S]*data: \[DONE\]\n\n$/);
});
