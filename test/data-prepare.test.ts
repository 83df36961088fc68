// `tunery data prepare` from the outside: what people feed it, what it asks, what it writes.
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as XLSX from '@e965/xlsx';
import { zipSync } from 'fflate';
import { afterAll, expect, test } from 'vitest';
import { Program } from './program.ts';
import { runCli } from './run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'tunery-prepare-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
/** A folder of its own with these files; `prepare` runs on the first of them. */
function place(files: Record<string, string | Uint8Array>) {
  folders += 1;
  const folder = join(root, String(folders));
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const first = join(folder, Object.keys(files)[0]!);
  return {
    folder,
    prepare: (...args: string[]) => runCli(['data', 'prepare', first, ...args]),
    answer: (input: string, ...args: string[]) =>
      runCli(['data', 'prepare', first, ...args], { input }),
    rows: (name: string) =>
      readFileSync(join(folder, name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    names: () => readdirSync(folder).sort(),
  };
}

const PAIRS = Array.from({ length: 20 }, (_, i) => ({
  prompt: `${i} to ${i * i + 7}, ${['how', 'when', 'why'][i % 3]}`,
  completion: `Take ${i % 7} steps and turn ${i % 2 ? 'left' : 'right'} at number ${i}`,
}));
const csvOf = (rows: readonly Record<string, string>[], separator = ',') =>
  [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))]
    .map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(separator))
    .join('\r\n');
const jsonlOf = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
function xlsxOf(
  sheets: Record<string, readonly object[]>,
  change?: (sheet: XLSX.WorkSheet) => void,
) {
  const book = XLSX.utils.book_new();
  for (const [name, rows] of Object.entries(sheets)) {
    const sheet = XLSX.utils.json_to_sheet([...rows]);
    change?.(sheet);
    XLSX.utils.book_append_sheet(book, sheet, name);
  }
  return new Uint8Array(XLSX.write(book, { type: 'array', bookType: 'xlsx' }) as ArrayBuffer);
}

/** 300 MB of spaces under a directory entry that says ten bytes. */
function lying(): Uint8Array {
  const zip = zipSync({
    '[Content_Types].xml': Buffer.from('<x/>'),
    'xl/worksheets/sheet1.xml': Buffer.alloc(300 * 1024 * 1024, 32),
  });
  const bytes = Buffer.from(zip);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(300 * 1024 * 1024);
  for (let at = bytes.indexOf(size); at >= 0; at = bytes.indexOf(size, at + 4))
    bytes.writeUInt32LE(10, at);
  return bytes;
}

const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');
const GBK_PAIR = Buffer.from(
  'prompt,completion\r\n\xc4\xe3\xba\xc3,\xd4\xd9\xbc\xfb\r\n',
  'latin1',
);

test('the same rows in every format give the same file, byte for byte', async () => {
  const formats: Record<string, string | Uint8Array> = {
    'a.csv': csvOf(PAIRS),
    'a.tsv': csvOf(PAIRS, '\t'),
    'a.xlsx': xlsxOf({ Sheet1: PAIRS }),
    'a.json': JSON.stringify(PAIRS, null, 2),
    'a.jsonl': jsonlOf(PAIRS),
    'utf16.csv': utf16(csvOf(PAIRS)),
    'a.jsonl.gz': gzipSync(jsonlOf(PAIRS)),
    'a.zip': zipSync({ 'inner/a.csv': Buffer.from(csvOf(PAIRS)) }),
  };
  const written = new Set<string>();
  for (const [name, content] of Object.entries(formats)) {
    const { prepare, names, folder } = place({ [name]: content });
    const { code, err } = await prepare('-q');
    expect({ name, code, err }).toEqual({ name, code: 0, err: '' });
    const prepared = names().filter((file) => file.includes('_prepared'));
    expect(prepared).toEqual([`${name.replace(/\..*/, '')}_prepared.jsonl`]);
    written.add(readFileSync(join(folder, prepared[0]!), 'utf8'));
  }
  expect(written.size).toBe(1);
});

test('a file without completions ends with an error that names the column', async () => {
  const { prepare, names } = place({ 'a.csv': 'prompt,text\na,b\n' });
  const { code, err } = await prepare('-q');
  expect(code).toBe(1);
  expect(err).toContain('`completion` column/key is missing');
  expect(names()).toEqual(['a.csv']);
});

test('two classes are split in their proportion, at most 1,000 rows for validation', async () => {
  const rows = Array.from({ length: 1197 }, (_, i) => ({
    prompt: `mail ${i}`,
    completion: i % 3 === 0 ? 'hockey' : 'baseball',
  }));
  const { prepare, rows: read } = place({ 'sport2.jsonl': jsonlOf(rows) });
  const { out } = await prepare('-q');
  const train = read('sport2_prepared_train.jsonl');
  const valid = read('sport2_prepared_valid.jsonl');
  expect([train.length, valid.length]).toEqual([957, 240]);
  const share = (part: typeof train) =>
    part.filter(({ completion }) => completion === ' hockey').length / part.length;
  expect(Math.abs(share(train) - share(valid))).toBeLessThan(0.01);
  const prompts = new Set(train.map(({ prompt }) => prompt));
  expect(valid.filter(({ prompt }) => prompts.has(prompt))).toEqual([]);
  expect(Object.keys(train[0]!)).toEqual(['prompt', 'completion']);
  expect(out).toContain(
    '_prepared_valid.jsonl" --compute_classification_metrics --classification_positive_class " baseball"',
  );
});

test('a label is no stop sequence', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({
    prompt: `thing ${i}`,
    completion: i % 2 ? 'edible' : 'inedible',
  }));
  const { prepare } = place({ 'a.csv': csvOf(rows) });
  expect((await prepare('-q')).out).not.toContain('stop=');
});

test('rows are dropped by what they are, not by where they were', async () => {
  const rows = [...PAIRS.slice(0, 5), ...PAIRS.slice(0, 3), ...PAIRS.slice(5)];
  rows.push({ prompt: 'long', completion: 'x'.repeat(10_001) });
  rows.splice(2, 0, { prompt: 'nothing to say', completion: '' });
  const { prepare, rows: read } = place({ 'a.jsonl': jsonlOf(rows) });
  const { out } = await prepare('-q');
  expect(out).toContain('Remove 1 rows with empty completions');
  expect(out).toContain('Remove 3 duplicate rows');
  expect(out).toContain('Remove 1 long examples');
  const prompts = read('a_prepared.jsonl').map(({ prompt }) => String(prompt));
  expect(prompts).toEqual(PAIRS.map(({ prompt }) => `${prompt} ->`));
});

test('a completion that is nothing but the common prefix is dropped, not a crash', async () => {
  const rows = PAIRS.map((row, i) => ({
    ...row,
    completion: `Label: ${i === 4 ? '' : row.completion}`,
  }));
  const { prepare, rows: read } = place({ 'a.csv': csvOf(rows) });
  const { code, out } = await prepare('-q');
  expect(code).toBe(0);
  expect(out).toContain('[Necessary] Remove 1 rows with empty completions');
  expect(read('a_prepared.jsonl').length).toBe(19);
});

test('a file of one line is JSONL too', async () => {
  const { prepare } = place({ 'a.jsonl': '{"prompt":"a ->","completion":" b\\n"}' });
  expect((await prepare('-q')).err).toContain('All prompts are identical');
});

test('NA and null are words, not gaps', async () => {
  const rows = PAIRS.map((row, i) => ({ ...row, completion: ['NA', 'null', 'None'][i % 3]! }));
  const { prepare, rows: read } = place({ 'a.csv': csvOf(rows) });
  await prepare('-q');
  expect(read('a_prepared_train.jsonl').length).toBe(16);
});

test('most prompts with a separator: the others get it, none gets two', async () => {
  const rows = PAIRS.map((row, i) => ({
    ...row,
    prompt: i < 3 ? row.prompt : `${row.prompt}\n\n###\n\n`,
  }));
  const { prepare, rows: read } = place({ 'a.jsonl': jsonlOf(rows) });
  expect((await prepare('-q')).out).toContain('to the 3 prompts that lack it');
  const endings = read('a_prepared.jsonl').map(
    ({ prompt }) => String(prompt).split('\n\n###\n\n').length,
  );
  expect(new Set(endings)).toEqual(new Set([2]));
});

test('a separator that stands inside of a prompt is flagged, whether or not all prompts end with one', async () => {
  for (const lacking of [0, 3]) {
    const rows = PAIRS.map((row, i) => {
      const start = i === 7 || i === 1 ? 'intro\n\n###\n\n' : '';
      return { ...row, prompt: `${start}${row.prompt}${i < lacking ? '' : '\n\n###\n\n'}` };
    });
    const { prepare } = place({ 'a.jsonl': jsonlOf(rows) });
    expect((await prepare('-q')).out).toMatch(
      /WARNING: Some of your prompts contain the suffix .*These are rows: \[1, 7\]/,
    );
  }
});

test('every completion is left with exactly one leading space', async () => {
  const rows = PAIRS.map((row, i) => ({
    ...row,
    completion: `${' '.repeat(1 + (i % 3))}${row.completion}`,
  }));
  const { prepare, rows: read } = place({ 'a.jsonl': jsonlOf(rows) });
  await prepare('-q');
  for (const { completion } of read('a_prepared.jsonl')) expect(completion).toMatch(/^ \S/);
});

test('nothing is overwritten: the second run numbers its file', async () => {
  const { prepare, names } = place({ 'my table.csv': csvOf(PAIRS) });
  await prepare('-q');
  await prepare('-q');
  expect(names()).toEqual([
    'my table.csv',
    'my table_prepared (1).jsonl',
    'my table_prepared.jsonl',
  ]);
});

test('columns by other names are shown on three rows and confirmed', async () => {
  const table = 'id,标题,正文,回复\n1,你好,在吗,在的\n2,早,吃了吗,吃了\n3,晚,睡了吗,还没\n';
  const unsure = place({ 'a.csv': table });
  const refused = await unsure.answer('n\n标题\n回复\ny\ny\ny\ny\ny\n');
  expect(refused.code).toBe(0);
  expect(refused.out).toContain('row 3');
  expect(unsure.rows('a_prepared.jsonl')[0]).toEqual({ prompt: '你好 ->', completion: ' 在的\n' });

  const guessed = place({ 'a.csv': 'x,y,z\na,b,c\n' });
  const quiet = await guessed.prepare('-q');
  expect(quiet.code).toBe(1);
  expect(quiet.err).toContain('x, y, z');
  expect(guessed.names()).toEqual(['a.csv']);
});

test('a table without a header is noticed by its first line', async () => {
  const { prepare } = place({ 'a.csv': 'burger,edible\ncar,inedible\npizza,edible\n' });
  const { code, out } = await prepare('-q');
  expect(code).toBe(1);
  expect(out).toContain('`edible` stands among the values too');
});

test('in a wide table a name that may mean anything is not taken without asking', async () => {
  const { prepare } = place({ 'a.csv': 'id,text,summary,score,user\n1,a,b,5,c\n' });
  const { code, err } = await prepare('-q');
  expect(code).toBe(1);
  expect(err).toContain('id, text, summary, score, user');
});

test('a column template makes the prompt, a condition chooses the rows, the mapping is saved', async () => {
  const rows = Array.from({ length: 12 }, (_, i) => ({
    review_title: `Title ${i}`,
    review_body: `Body of ${i}`,
    stars: String(1 + (i % 5)),
    language: i % 4 === 0 ? 'de' : 'en',
  }));
  const { prepare, rows: read, folder } = place({ 'reviews.csv': csvOf(rows) });
  const map = join(folder, 'map.json');
  const template = '{review_title}\\n\\n{review_body}\\n\\n###\\n\\n';
  const flags = ['--where', "language == 'en'", '--completion-template', ' {stars}'];
  const first = await prepare('-q', '--prompt-template', template, ...flags, '--save-map', map);
  expect(first.code).toBe(0);
  expect(first.out).toContain('9 of 12 rows');
  expect(read('reviews_prepared.jsonl')[0]).toEqual({
    prompt: 'Title 1\n\nBody of 1\n\n###\n\n',
    completion: ' 2\n',
  });
  await prepare('-q', '--map', map, '--where', 'language=en', '-o', join(folder, 'again'));
  expect(read('again_prepared.jsonl')).toEqual(read('reviews_prepared.jsonl'));
});

test('conversations, instructions and consultations become chat rows with the names filled in', async () => {
  const identity = Array.from({ length: 10 }, (_, i) => ({
    instruction: `Who are you? ${i}`,
    input: '',
    output: 'I am <NAME>, made by <AUTHOR>.',
  }));
  const open = place({ 'self_cognition.json': JSON.stringify(identity) });
  const { out } = await open.prepare('-q', '--name', '小图', '--author', '图新');
  expect(out).toContain('Filled in 20 places');
  expect(open.rows('self_cognition_prepared.jsonl')[0]).toEqual({
    messages: [
      { role: 'user', content: 'Who are you? 0' },
      { role: 'assistant', content: 'I am 小图, made by 图新.' },
    ],
  });
  const left = place({ 'a.json': JSON.stringify(identity) });
  expect((await left.prepare('-q')).out).toContain('10 rows contain <NAME>, <AUTHOR>');
});

test('a dataset_info.json with comments finds its file and compares its SHA-1', async () => {
  const data = JSON.stringify([{ instruction: 'a', input: '', output: 'b' }]);
  const sum = createHash('sha1').update(data).digest('hex');
  const info = (sha1: string) =>
    `{\n  "self_cognition": { // the name\n    "file_name": "s.json",\n    "file_sha1": "${sha1}" // optional\n  }\n}`;
  const good = place({ 'dataset_info.json': info(sum), 's.json': data });
  expect((await good.prepare('-q')).code).toBe(0);
  expect(good.names()).toContain('s_prepared.jsonl');
  const wrong = '6287a730'.padEnd(40, '0');
  const bad = place({ 'dataset_info.json': info(wrong), 's.json': data });
  const { code, err } = await bad.prepare('-q');
  expect(code).toBe(1);
  expect(err).toContain(sum);
  expect(err).toContain(wrong);
});

test('questions and answers become chat rows with a system message, some of them by chance', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => ({
    questions: [`问${i}`],
    answers: [`答${i}`],
  }));
  const { prepare, rows: read } = place({ 'huatuo.jsonl': jsonlOf(rows) });
  const flags = ['--to', 'chat', '--system', 'You are an assistant', '--sample', '10'];
  expect((await prepare('-q', ...flags)).code).toBe(0);
  const chat = read('huatuo_prepared.jsonl');
  expect(chat.length).toBe(10);
  expect(Object.keys(chat[0]!)).toEqual(['messages']);
  expect(JSON.stringify(chat[0])).toMatch(/You are an assistant.*问.*答/);
});

test('pasted no-break spaces are named with their line, and replaced on request', async () => {
  const line = (i: number) =>
    `{"messages":\u00a0[{"role":\u00a0"user", "content": "Ask\u00a0${i}"},\u00a0{"role": "assistant", "content": "Say ${i}"}]}\n`;
  const content = Array.from({ length: 12 }, (_, i) => line(i)).join('');
  const { prepare, rows, names } = place({ 'marv.jsonl': content });
  const stopped = await prepare('-q');
  expect(stopped.code).toBe(1);
  expect(stopped.out).toMatch(/line 3: .*U\+00A0/);
  expect(names()).toEqual(['marv.jsonl']);
  expect((await prepare('-q', '--fix')).code).toBe(0);
  expect(JSON.stringify(rows('marv_prepared.jsonl'))).not.toContain('\u00a0');
});

test('the encoding is found, shown, and can be given', async () => {
  const gbk = place({ 'a.csv': GBK_PAIR });
  expect((await gbk.prepare('-q')).out).toContain(
    'GB18030 text (detected; --encoding overrides it)',
  );
  const wrong = place({ 'a.csv': GBK_PAIR });
  expect((await wrong.prepare('-q', '--encoding', 'nonsense')).err).toContain(
    'no encoding "nonsense"',
  );
  const mixed = Buffer.concat([
    Buffer.from('prompt,completion\n问题一一,回答一一\n'),
    GBK_PAIR.subarray(19),
  ]);
  const both = place({ 'a.csv': mixed });
  const stopped = await both.prepare('-q');
  expect(stopped.code).toBe(1);
  expect(stopped.out).toContain('the file is UTF-8, but 1 lines are GBK: 3');
  await both.prepare('-q', '--fix');
  expect(both.rows('a_prepared.jsonl')[1]).toMatchObject({ prompt: '你好 ->' });
});

test('a reader of scripts gets one JSON report, findings with rows and the files', async () => {
  const { prepare } = place({ 'a.csv': csvOf([...PAIRS, PAIRS[3]!]) });
  const { code, out } = await prepare('--json');
  expect(code).toBe(0);
  const report = JSON.parse(out) as {
    findings: { code: string; rows: unknown[] }[];
    outputs: unknown[];
  };
  const doubled = report.findings.find((finding) => finding.code === 'duplicated_rows');
  expect(doubled?.rows).toMatchObject([{ line: 22 }]);
  expect(report.outputs).toMatchObject([{ rows: 20 }]);
});

test('one fault of each kind gives one finding each, with its rows', async () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({
    Prompt: `PLEASE CLASSIFY THIS TEXT: ITEM ${i}`,
    completion: i === 3 ? '' : `THE ANSWER IS VALUE ${i}`,
    extra: 'x',
  }));
  const long = {
    Prompt: 'PLEASE CLASSIFY THIS TEXT: LONG',
    completion: 'THE ANSWER IS Z'.repeat(999),
    extra: '',
  };
  const { prepare } = place({ 'a.csv': csvOf([...rows, rows[5]!, long]) });
  const { out } = await prepare('--json');
  const { findings } = JSON.parse(out) as {
    findings: {
      code: string;
      level: string;
      count: number;
      rows: { line: number }[];
      applied: boolean;
    }[];
  };
  const found = findings.map(({ code, count }) => [code, count]);
  expect(found).toEqual([
    ['num_examples', 0],
    ['necessary_column', 0],
    ['additional_column', 0],
    ['empty_completion', 1],
    ['duplicated_rows', 1],
    ['long_examples', 1],
    ['lower_case_prompt', 31],
    ['lower_case_completion', 31],
    ['common_prompt_suffix', 31],
    ['common_prompt_prefix', 31],
    ['common_completion_prefix', 31],
    ['common_completion_suffix', 31],
    ['completion_space_start', 31],
  ]);
  expect(findings.slice(3, 6).map(({ rows: [row] }) => row?.line)).toEqual([5, 32, 33]);
  expect(findings.slice(1).every(({ applied, level }) => applied && level === 'warning')).toBe(
    true,
  );
});

test('standard input is a file too, with the answers given beforehand', async () => {
  const { folder, rows } = place({ 'empty.txt': '' });
  const name = join(folder, 'piped');
  const input = csvOf(PAIRS);
  expect((await runCli(['data', 'prepare', '-'], { input })).err).toContain('give -q');
  expect((await runCli(['data', 'prepare', '-', '-q', '-o', name], { input })).code).toBe(0);
  expect(rows('piped_prepared.jsonl').length).toBe(20);
});

test('several files are joined to one table', async () => {
  const { folder, rows } = place({
    'a.csv': csvOf(PAIRS.slice(0, 9)),
    'b.jsonl': jsonlOf(PAIRS.slice(9)),
  });
  const files = [join(folder, 'a.csv'), join(folder, 'b.jsonl')];
  expect((await runCli(['data', 'prepare', ...files, '-q'])).code).toBe(0);
  expect(rows('a_prepared.jsonl').length).toBe(20);
});

test('conversations become pairs on request, with the checks of pairs', async () => {
  const chats = PAIRS.map(({ prompt, completion }) => ({
    messages: [
      { role: 'user', content: prompt },
      { role: 'assistant', content: completion },
    ],
  }));
  const { prepare, rows } = place({ 'a.jsonl': jsonlOf(chats) });
  expect((await prepare('-q', '--to', 'completion')).code).toBe(0);
  expect(rows('a_prepared.jsonl')[0]).toEqual({
    prompt: '0 to 7, how ->',
    completion: ' 0 steps and turn right at number 0\n',
  });
});

test('a folder is read file by file, and files that differ in their columns are refused', async () => {
  const { folder, rows } = place({
    'in/b.csv': csvOf(PAIRS.slice(10)),
    'in/a.jsonl': jsonlOf(PAIRS.slice(0, 10)),
    'in/README.md': 'x',
  });
  const ran = await runCli(['data', 'prepare', join(folder, 'in'), '-q']);
  expect(ran.code).toBe(0);
  expect(rows('in_prepared.jsonl').map(({ prompt }) => prompt)).toEqual(
    PAIRS.map(({ prompt }) => `${prompt} ->`),
  );
  writeFileSync(join(folder, 'in', 'c.csv'), 'frage,antwort\na,b\n');
  const other = await runCli(['data', 'prepare', join(folder, 'in'), '-q']);
  expect(other.code).toBe(1);
  expect(other.out).toContain('has the columns frage, antwort');
});

test('rows that cannot be read stop the run; with --fix they are kept in a file of their own', async () => {
  const bad = [
    '{"prompt": "a", "completion": "b"',
    '["a", "b"]',
    `{"prompt": "deep", "completion": ${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    '{"prompt": "nul\0", "completion": "c"}',
  ];
  const lines = PAIRS.map((row) => JSON.stringify(row));
  lines.splice(3, 0, ...bad);
  const { prepare, names, rows } = place({ 'a.jsonl': lines.join('\n') });
  const stopped = await prepare('-q');
  expect(stopped.code).toBe(1);
  for (const what of [
    'line 4',
    'line 5',
    'line 6: the JSON is nested 10001 deep',
    'line 7: the text holds NUL',
  ])
    expect(stopped.out).toContain(what);
  expect(names()).toEqual(['a.jsonl']);
  expect((await prepare('-q', '--fix')).code).toBe(0);
  expect(rows('a_prepared.jsonl').length).toBe(21);
  expect(rows('a_prepared_rejected.jsonl').map(({ line }) => line)).toEqual([4, 5, 6]);
});

test.each([
  ['a ragged table', { 'a.csv': 'prompt,completion\na,b\nc,d,e\n' }, 'line 3: the row has 3 cells'],
  [
    'a cell of 10 MB',
    { 'a.csv': `prompt,completion\na,${'b'.repeat(10_485_760)}\n` },
    'line 2, column "completion": the cell has 10485760',
  ],
  [
    'NUL bytes',
    { 'a.csv': 'prompt,completion\na\0,b\n' },
    'line 2, column "prompt": the text holds NUL',
  ],
  [
    'a quote left open',
    { 'a.csv': `prompt,completion\na,b\nc,"d\n${'e,f\n'.repeat(50)}` },
    'line 3: a quotation mark opens here',
  ],
  [
    'a list nested 10,000 deep',
    { 'a.json': `${'['.repeat(10_000)}${']'.repeat(10_000)}` },
    'nested 9999 deep',
  ],
  [
    'a list cut off',
    { 'a.json': '[{"prompt":"a","completion":"b"},{"prompt":"c' },
    'ends before its JSON object does',
  ],
  [
    'a bomb',
    { 'a.csv.gz': gzipSync(`prompt,completion\n${'a,b\n'.repeat(30_000_000)}`) },
    'grows to more than 300 times',
  ],
  [
    'an archive in an archive',
    { 'a.zip': zipSync({ 'b.zip': zipSync({ 'a.csv': Buffer.from('a,b') }) }) },
    'archive inside an archive',
  ],
  [
    'random bytes',
    { 'a.csv': Buffer.from(Array.from({ length: 4000 }, (_, i) => (i * 7919) % 251)) },
    'neither text nor a format',
  ],
  [
    'a password',
    {
      'a.xlsx': Buffer.concat([
        Buffer.from('d0cf11e0a1b11ae1', 'hex'),
        Buffer.alloc(600),
        Buffer.from('EncryptedPackage', 'utf16le'),
        Buffer.alloc(3000),
      ]),
    },
    'is protected by a password',
  ],
  [
    'a damaged workbook',
    { 'a.xlsx': zipSync({ '[Content_Types].xml': Buffer.from('<') }) },
    'the workbook cannot be read',
  ],
  ['a workbook that lies about its size', { 'a.xlsx': lying() }, 'would take'],
  [
    'merged cells',
    {
      'a.xlsx': xlsxOf({ S: [{ prompt: 'a', completion: 'x' }, { prompt: 'b' }] }, (s) => {
        s['!merges'] = [XLSX.utils.decode_range('B2:B3')];
      }),
    },
    'S!B2:B3 are merged',
  ],
  [
    'a formula nobody computed',
    {
      'a.xlsx': xlsxOf({ S: [{ prompt: 'a', completion: 'x' }] }, (s) => {
        s['B2'] = { t: 'z', f: 'A2&"!"' };
      }),
    },
    'the formula in S!B2 has no saved value',
  ],
  ['a missing file', { 'none/x': '' }, 'holds no file with rows'],
] as const)(
  '%s ends with a sentence and exit code 1, and writes nothing',
  async (_, files, words) => {
    const { folder, names } = place(files as Record<string, string | Uint8Array>);
    const before = names();
    const ran = await runCli([
      'data',
      'prepare',
      join(folder, Object.keys(files)[0]!.split('/')[0]!),
      '-q',
    ]);
    expect(ran.code).toBe(1);
    expect(`${ran.out}${ran.err}`).toContain(words);
    expect(ran.err).not.toMatch(/\n\s+at /);
    expect(names()).toEqual(before);
  },
);

test('links that lead in a circle are named, and read once on request', async () => {
  const { folder, rows } = place({ 'in/a.csv': csvOf(PAIRS) });
  symlinkSync('.', join(folder, 'in', 'self'));
  const stopped = await runCli(['data', 'prepare', join(folder, 'in'), '-q']);
  expect(stopped.code).toBe(1);
  expect(stopped.out).toContain('is reached a second time through a link');
  await runCli(['data', 'prepare', join(folder, 'in'), '-q', '--fix']);
  expect(rows('in_prepared.jsonl').length).toBe(20);
});

test('Ctrl-C while it asks ends it with 130 and no file', async () => {
  const { folder, names } = place({ 'a.csv': csvOf(PAIRS) });
  const args = ['src/cli/main.ts', 'data', 'prepare', join(folder, 'a.csv')];
  const program = new Program('bash', [
    '-c',
    `exec 3< <(exec sleep 20 2>/dev/null); exec ${process.execPath} ${args.join(' ')} <&3`,
  ]);
  await program.says(/Recommended/);
  program.process.kill('SIGINT');
  expect(await program.ended()).toMatchObject({ code: 130 });
  expect(names()).toEqual(['a.csv']);
});

test('Ctrl-C ends it while it waits for standard input', async () => {
  const folder = mkdtempSync(join(root, 'waiting-'));
  const args = ['src/cli/main.ts', 'data', 'prepare', '-', '-q'];
  const program = new Program(
    'bash',
    ['-c', `exec ${process.execPath} ${args.join(' ')} < <(exec sleep 20 >&- 2>&-)`],
    {
      env: { TMPDIR: folder },
    },
  );
  await program.says(/Analyzing/);
  program.process.kill('SIGINT');
  expect(await program.ended()).toMatchObject({ code: 130 });
  expect(readdirSync(folder)).toEqual([]);
});

test('conversations that are to be pairs are written, though no check wants a change', async () => {
  const rows = PAIRS.map(({ prompt, completion }, i) => ({
    messages: [
      { role: 'user', content: `${prompt} ->` },
      { role: 'assistant', content: ` ${completion} of ${['a', 'b', 'c'][i % 3]}` },
    ],
  }));
  const { prepare, rows: read } = place({ 'a.jsonl': jsonlOf(rows) });
  const { out } = await prepare('-q', '--to', 'completion');
  expect(out).not.toContain('You can use your file');
  expect(read('a_prepared.jsonl')).toHaveLength(20);
  expect(Object.keys(read('a_prepared.jsonl')[0]!)).toEqual(['prompt', 'completion']);
});

test('a disk that is full leaves no half file under any name', async () => {
  const { folder, names } = place({
    'a.csv': csvOf(PAIRS.map((row) => ({ ...row, prompt: row.prompt.repeat(200) }))),
  });
  const command = `ulimit -f 8; exec ${process.execPath} src/cli/main.ts data prepare ${join(folder, 'a.csv')} -q`;
  const { code, err } = await new Program('bash', ['-c', command]).ended();
  expect(code).toBe(1);
  expect(err).toMatch(/Cannot write .*a_prepared\.jsonl.*nothing was kept/);
  expect(names()).toEqual(['a.csv']);
});

test('the whole conversation is there in Chinese', async () => {
  const { prepare } = place({ 'a.csv': csvOf(PAIRS) });
  const { out } = await prepare('-q', '--lang', 'zh');
  expect(out).toContain('[建议]');
  expect(out.replace(/tunery .*|prompt|completion|`[^`]*`|[A-Z][\w-]*|--?\w+/g, '')).not.toMatch(
    /[a-z]{6,} [a-z]{2,}/,
  );
});

test('what is no plain file is written as one, though nothing in it needs a change', async () => {
  const chat = (i: number) => ({
    messages: [
      { role: 'user', content: `Ask ${i}` },
      { role: 'assistant', content: `Say ${i}` },
    ],
  });
  const half = (from: number) => jsonlOf(Array.from({ length: 10 }, (_, i) => chat(from + i)));
  const { folder, rows, names } = place({ 'in/a.jsonl': half(0), 'in/b.jsonl': half(10) });
  const two = await runCli(['data', 'prepare', join(folder, 'in'), '-q']);
  expect(two.out).toContain('in_prepared.jsonl" --follow');
  expect(rows('in_prepared.jsonl')).toHaveLength(20);
  const packed = place({ 'a.jsonl.gz': gzipSync(half(0)) });
  await packed.prepare('-q');
  expect(packed.rows('a_prepared.jsonl')).toHaveLength(10);
  await runCli(['data', 'prepare', '-', '-q', '-o', join(folder, 'piped')], { input: half(0) });
  expect(names()).toContain('piped_prepared.jsonl');
});
