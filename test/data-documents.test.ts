// tunery data documents and rationale against an endpoint of the test's own: what is read, asked, kept,
// and that an interrupted run goes on where it stopped.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pairsIn } from '../src/data/documents/question-rows.ts';
import { endsIn } from '../src/data/documents/rationale-rows.ts';
import { script } from './program.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-documents-'));
const asked: string[] = [];
type Reply = string | null | { readonly status: number; readonly headers?: Record<string, string> };
/** Null: an error that does not pass. */
let reply: (prompt: string) => Reply | Promise<Reply> = () => null;
let url: string;

const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', async () => {
    const prompt: string = JSON.parse(body).messages.at(-1).content;
    asked.push(prompt);
    const said = await reply(prompt);
    const usage = { prompt_tokens: 100, completion_tokens: 20 };
    const json = { 'content-type': 'application/json' };
    if (typeof said === 'string') {
      const choices = [{ message: { role: 'assistant', content: said } }];
      response.writeHead(200, json).end(JSON.stringify({ choices, usage }));
      return;
    }
    const { status, headers = { 'x-should-retry': 'false' } } = said ?? { status: 500 };
    response.writeHead(status, { ...json, ...headers });
    response.end(JSON.stringify({ error: { message: 'out of order' } }));
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const tunery = (...args: string[]) =>
  runCli(['data', ...args, '--model', 'teacher', '--base-url', url]);
const file = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const rowsOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

/** The smallest PDF with a line of text. */
function pdf(text: string): string {
  const stream = `BT /F1 12 Tf 20 100 Td (${text}) Tj ET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let out = '%PDF-1.4\n';
  const offsets = objects.map((object, i) => {
    const at = out.length;
    out += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return String(at).padStart(10, '0');
  });
  const table = offsets.map((offset) => `${offset} 00000 n \n`).join('');
  const size = objects.length + 1;
  return `${out}xref\n0 ${size}\n0000000000 65535 f \n${table}trailer << /Size ${size} /Root 1 0 R >>\nstartxref\n${out.length}\n%%EOF\n`;
}

const docx = (text: string) =>
  zipSync({
    '[Content_Types].xml': strToU8(
      '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    ),
    '_rels/.rels': strToU8(
      '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
    ),
    'word/document.xml': strToU8(
      `<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>${text}</w:t></w:r></w:p></w:body></w:document>`,
    ),
  });

const PAIR = '[{"question": "What is it?", "answer": "A tuner."}]';

test('five kinds of documents become rows, each with where it comes from', async () => {
  reply = () => `Sure!\n${PAIR}`;
  const sentence = 'The tuner listens to a string and tells how far it is from its note';
  const paths = [
    file('a.pdf', pdf(`${sentence} in the PDF`)),
    file('b.docx', docx(`${sentence} in the DOCX`)),
    file(
      'c.html',
      `<html><head><link rel="license" href="https://example.org/cc0"></head><body><nav>menu</nav><p>${sentence} in the HTML</p></body></html>`,
    ),
    file('d.md', `---\nlicense: CC-BY-4.0\n---\n# Tuners\n${sentence} in Markdown.\n`),
    file(
      'e.txt',
      Buffer.from(
        new Uint8Array(Buffer.from(`${sentence} in a text file. SPDX-License-Identifier: MIT`)),
      ),
    ),
  ];
  const output = join(folder, 'rows.jsonl');
  const { code, out } = await tunery(
    'documents',
    ...paths,
    '-o',
    output,
    '--price-in',
    '10',
    '--price-out',
    '50',
    '--json',
  );
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    rows: 5,
    chunks: 5,
    prompt_tokens: 500,
    completion_tokens: 100,
    cost: 0.01,
  });
  for (const kind of ['PDF', 'DOCX', 'HTML', 'Markdown', 'text file'])
    expect(
      asked.some((prompt) =>
        prompt.includes(
          `in ${kind === 'text file' ? 'a text file' : kind.length < 5 ? `the ${kind}` : kind}`,
        ),
      ),
    ).toBe(true);
  expect(asked.join()).not.toContain('menu');
  expect(rowsOf(output)[0]).toEqual({
    messages: [
      { role: 'user', content: 'What is it?' },
      { role: 'assistant', content: 'A tuner.' },
    ],
  });
  const sources = rowsOf(`${output}.provenance.jsonl`);
  expect(sources[0]).toMatchObject({
    line: 1,
    file: paths[0],
    place: 'page 1',
    generated_by: 'teacher',
  });
  expect(sources.map(({ license }) => license)).toEqual([
    null,
    null,
    'https://example.org/cc0',
    'CC-BY-4.0',
    'MIT',
  ]);
});

test('what was answered before an interruption is not asked again', async () => {
  const paragraphs = Array.from(
    { length: 4 },
    (_, i) => `Paragraph ${i}. ${'It says a good deal about tuning. '.repeat(8)}`,
  );
  const path = file('long.txt', paragraphs.join('\n\n'));
  const output = join(folder, 'long.jsonl');
  asked.length = 0;
  reply = () => (asked.length > 2 ? null : PAIR);
  const first = await tunery('documents', path, '-o', output, '--chunk', '300');
  expect(first).toMatchObject({ code: 1, err: expect.stringContaining('out of order') });
  reply = () => PAIR;
  asked.length = 0;
  const second = await tunery('documents', path, '-o', output, '--chunk', '300', '--json');
  const { chunks, rows } = JSON.parse(second.out);
  expect([second.code, rows, asked.length]).toEqual([0, chunks, chunks - 2]);
});

test('replies are read as JSON or as questions and answers', () => {
  const pair = { question: 'a?', answer: 'b' };
  expect(pairsIn('[{"question":"a?","answer":"b"}]')).toEqual([pair]);
  expect(pairsIn('Q: a?\nA: b\n\nQ: c?\nA: d')).toEqual([pair, { question: 'c?', answer: 'd' }]);
  expect(pairsIn('问题：a?\n答案：b')).toEqual([pair]);
  expect(pairsIn('I cannot.')).toEqual([]);
  const closed = '{"pairs":[{"question":"a?","answer":"b"},{"question":"c?","answer":"d and"}]}';
  expect(pairsIn(closed, true)).toEqual([pair]);
  expect(pairsIn(closed.replace('d and', 'It is. And'), true)).toEqual([
    pair,
    { question: 'c?', answer: 'It is.' },
  ]);
  expect(pairsIn('Q: a?\nA: b\n\nQ: c?\nA: d and', true)).toEqual([pair]);
  expect(pairsIn('[{"question":"a?","answer":"b"},{"question":"a?","answer":"b"},', true)).toEqual([
    pair,
  ]);
  const cut =
    '<think>{"question":"no?","answer":"no"}</think>{"pairs":[{"question":"a?","answer":"b"},{"question":"c';
  expect(pairsIn(cut)).toEqual([pair]);
  expect(
    pairsIn('[{"question":"a?","answer":"b"} {"question":"{c}?","answer":"d \\" }"}]'),
  ).toEqual([pair, { question: '{c}?', answer: 'd " }' }]);
});

test.each([
  ['so 5.\nAnswer: 5 cars', '2 + 3 = 5 #### 5', true],
  ['Answer: $1,234.00', '1234', true],
  ['Answer: 5', '6', false],
  ['Answer: 5 or 6', '5', false],
  ['Answer: 1/3', '1/2', false],
  ['Answer: 1/2', '1/2', true],
  ['Answer: London 2', 'Paris 2', false],
  ['所以答案是：北京。', '北京', true],
  ['Answer:', '', false],
])('%j against %j is right: %s', (rationale, reference, right) => {
  expect(endsIn(rationale, reference)).toBe(right);
});

test('a rationale is kept when it ends in the right answer', async () => {
  reply = (prompt) => (prompt.includes('two and two') ? '2 + 2 = 4.\nAnswer: 4' : 'Hm.\nAnswer: 7');
  file(
    'qa.jsonl',
    ['two and two', 'three and three']
      .map((q, i) => `${JSON.stringify({ question: q, answer: `so #### ${4 + 2 * i}` })}\n`)
      .join(''),
  );
  const path = relative(process.cwd(), join(folder, 'qa.jsonl')); // as people type it
  const output = join(folder, 'why.jsonl');
  const { out } = await tunery('rationale', path, '-o', output, '--json');
  expect(JSON.parse(out)).toMatchObject({ asked: 2, kept: 1, share: 0.5 });
  expect(rowsOf(output)[0].messages[1].content).toBe('2 + 2 = 4.\nAnswer: 4');
  expect(rowsOf(`${output}.rejected.jsonl`)).toEqual([
    { line: 2, question: 'three and three', expected: 'so #### 6', reply: 'Hm.\nAnswer: 7' },
  ]);
  const manifest = JSON.parse(readFileSync(`${output}.manifest.json`, 'utf8'));
  expect(manifest).toMatchObject({
    object: 'tunery.data_manifest',
    seed: 1,
    steps: [{ do: 'rationale', model: 'teacher', endpoint: url, temperature: 0.3 }],
    inputs: [{ path: 'qa.jsonl', sha256: expect.stringMatching(/^[0-9a-f]{64}$/), rows: 2 }],
    outputs: [
      { path: 'why.jsonl', rows: 1 },
      { path: 'why.jsonl.provenance.jsonl', rows: 1 },
    ],
  });
  const again = await runCli([
    ...['data', 'rationale', '--recipe', `${output}.manifest.json`],
    ...['-o', join(folder, 'again.jsonl'), '--base-url', url],
  ]);
  expect(again).toMatchObject({
    code: 0,
    err: expect.stringContaining('the same bytes as before'),
  });
  reply = () => 'Answer: 6';
  const other = await runCli([
    ...['data', 'rationale', '--recipe', `${output}.manifest.json`],
    ...['-o', join(folder, 'other.jsonl'), '--base-url', url],
  ]);
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining('differ') });
});

test('rows without a question and an answer are named', async () => {
  reply = () => 'Answer: 4';
  const path = file('odd.jsonl', '{"question":"2+2?","answer":"4"}\n{"question":"?"}\nnot JSON\n');
  const { out } = await tunery('rationale', path, '--json');
  expect(JSON.parse(out)).toMatchObject({ asked: 1, kept: 1, left_out: [2, 3] });
});

const LONG = Array.from(
  { length: 6 },
  (_, i) => `Paragraph ${i}. ${'It says a good deal about tuning. '.repeat(8)}`,
).join('\n\n');

test('Ctrl-C ends it with 130 and a hint; the same command goes on', async () => {
  const path = file('ctrl-c.txt', LONG);
  const args = ['data', 'documents', path, '-o', join(folder, 'ctrl-c.jsonl'), '--chunk', '300'];
  asked.length = 0;
  reply = () => (asked.length <= 2 ? PAIR : new Promise(() => {}));
  const program = script('tunery', [...args, '--model', 'teacher', '--base-url', url]);
  while (asked.length < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  program.process.kill('SIGINT');
  const ended = await program.ended();
  expect(ended).toMatchObject({
    code: 130,
    err: expect.stringContaining('goes on where it stopped'),
  });
  asked.length = 0;
  reply = () => PAIR;
  const second = await tunery(...args.slice(1), '--json');
  const { chunks, remembered, rows } = JSON.parse(second.out);
  expect([remembered, rows, asked.length]).toEqual([2, chunks, chunks - 2]);
});

test('plan, licence and cost are told before and while it asks; replies without rows are kept', async () => {
  reply = (prompt) => (prompt.includes('Paragraph 1') ? 'I cannot do that.' : PAIR);
  const path = file('told.txt', LONG);
  const output = join(folder, 'told.jsonl');
  const flags = ['--chunk', '300', '--price-in', '10', '--price-out', '50'];
  const { code, out, err } = await tunery('documents', path, '-o', output, ...flags);
  expect(code).toBe(0);
  expect(err).toMatch(
    /6 stretches of text from 1 file\(s\), about \d+ prompt tokens, cost about 0\.\d+/,
  );
  expect(err).toContain('license unknown; make sure that you may use it');
  expect(err).toContain('6 of 6 asked, 600 + 120 tokens, cost 0.012');
  expect(out).toContain('1 stretches gave none');
  expect(rowsOf(`${output}.rejected.jsonl`)).toEqual([
    expect.objectContaining({ file: path, place: 'text', reply: 'I cannot do that.' }),
  ]);
});

test('a rate limit is waited for and told; a wrong key ends it with the reason, in Chinese too', async () => {
  const path = file('limit.txt', LONG);
  const args = ['documents', path, '-o', join(folder, 'limit.jsonl'), '--chunk', '300'];
  asked.length = 0;
  reply = () => {
    if (asked.length === 2) return { status: 429, headers: { 'retry-after': '1' } };
    return asked.length > 4 ? { status: 401 } : PAIR;
  };
  const { code, err } = await tunery(...args, '--lang', 'zh');
  expect(code).toBe(1);
  expect(err).toContain('1 秒后重新提问');
  expect(err).toContain('不接受密钥（HTTP 401）：out of order');
  expect(err).toContain('已有的回答都保留着');
  asked.length = 0;
  reply = () => PAIR;
  expect(await tunery(...args)).toMatchObject({ code: 0 });
  expect(asked).toHaveLength(3);
});

test('a recipe asks the same again and compares; a changed document is refused', async () => {
  reply = (prompt) => `[{"question": "What?", "answer": "${prompt.length}"}]`;
  const path = file('recipe.txt', LONG);
  const output = join(folder, 'recipe.jsonl');
  await tunery('documents', path, '-o', output, '--chunk', '300', '--seed', '7', '--inline');
  const recipe = ['data', 'documents', '--recipe', `${output}.manifest.json`, '--base-url', url];
  const again = await runCli(recipe);
  expect(again).toMatchObject({ code: 0, err: expect.stringContaining('the same bytes') });
  file('recipe.txt', `${LONG}!`);
  const changed = await runCli(recipe);
  expect(changed).toMatchObject({ code: 1, err: expect.stringContaining('has changed since') });
});

test('a folder is read with what is below it; other files and unreadable documents are named', async () => {
  const { mkdirSync } = await import('node:fs');
  mkdirSync(join(folder, 'tree/below'), { recursive: true });
  file('tree/a.txt', LONG);
  file('tree/below/b.md', `# B\n${LONG}`);
  file('tree/picture.png', 'x');
  file('tree/cut.pdf', 'x');
  file('tree/text.docx', 'x');
  reply = () => PAIR;
  const args = ['documents', join(folder, 'tree'), '-o', join(folder, 'tree.jsonl')];
  const refused = await tunery(...args);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('2 documents cannot be read');
  expect(refused.err).toContain('such as picture.png');
  const { code, out, err } = await tunery(...args, '--skip-unreadable', '--json');
  expect(code).toBe(0);
  expect(err).toContain('cut.pdf cannot be read');
  expect(Object.keys(JSON.parse(out).licenses)).toEqual([
    join(folder, 'tree/a.txt'),
    join(folder, 'tree/below/b.md'),
  ]);
});

test('a model that is not there leaves nothing behind, and a folder that is not there is named', async () => {
  reply = () => ({ status: 404 });
  const path = file('behind.txt', LONG);
  const { code, err } = await tunery('documents', path, '-o', join(folder, 'behind.jsonl'));
  expect([code, err]).toEqual([1, expect.stringContaining('has no model "teacher"')]);
  expect(existsSync(join(folder, 'behind.jsonl.answers.jsonl'))).toBe(false);
  asked.length = 0;
  const nowhere = await tunery('documents', path, '-o', join(folder, 'no/where.jsonl'));
  expect(nowhere).toMatchObject({ code: 1, err: expect.stringContaining('folder does not exist') });
  expect(asked).toEqual([]);
  const missing = await tunery('documents', join(folder, 'missing.txt'));
  expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('missing.txt') });
});

test('nobody at the address ends it with 3', async () => {
  const path = file('nobody.txt', LONG);
  const args = ['data', 'documents', path, '--model', 'm', '--base-url', 'http://127.0.0.1:9/v1'];
  const { code, err } = await runCli([...args, '-o', join(folder, 'nobody.jsonl')]);
  expect([code, err]).toEqual([
    3,
    expect.stringContaining('http://127.0.0.1:9/v1 does not answer'),
  ]);
});

test('a document without text and one of another kind are refused by name', async () => {
  const odd = await tunery('documents', file('x.pages', 'x'));
  expect(odd).toMatchObject({ code: 1, err: expect.stringContaining('documents are .pdf') });
  const broken = await tunery('documents', file('broken.pdf', 'not a pdf'));
  expect(broken).toMatchObject({ code: 1, err: expect.stringContaining('broken.pdf') });
});
