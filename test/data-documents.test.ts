// tunery data documents and rationale against an endpoint of the test's own: what is read, asked, kept,
// and that an interrupted run goes on where it stopped.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pairsIn } from '../src/data/documents/question-rows.ts';
import { script } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-documents-'));
const asked: string[] = [];
let reply: (prompt: string) => string | null = () => null;
let url: string;

const server = createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const prompt: string = JSON.parse(body).messages.at(-1).content;
    asked.push(prompt);
    const content = reply(prompt);
    response.writeHead(content === null ? 500 : 200, { 'content-type': 'application/json' });
    const usage = { prompt_tokens: 100, completion_tokens: 20 };
    const choices = [{ message: { role: 'assistant', content } }];
    response.end(
      JSON.stringify(
        content === null ? { error: { message: 'out of order' } } : { choices, usage },
      ),
    );
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
  script('tunery', ['data', ...args, '--model', 'teacher', '--base-url', url]).ended();
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
});

test('a rationale is kept when it ends in the right answer', async () => {
  reply = (prompt) => (prompt.includes('two and two') ? '2 + 2 = 4.\nAnswer: 4' : 'Hm.\nAnswer: 7');
  const path = file(
    'qa.jsonl',
    ['two and two', 'three and three']
      .map((q, i) => `${JSON.stringify({ question: q, answer: `so #### ${4 + 2 * i}` })}\n`)
      .join(''),
  );
  const output = join(folder, 'why.jsonl');
  const { out } = await tunery('rationale', path, '-o', output, '--json');
  expect(JSON.parse(out)).toMatchObject({ asked: 2, kept: 1, share: 0.5 });
  expect(rowsOf(output)[0].messages[1].content).toBe('2 + 2 = 4.\nAnswer: 4');
});

test('a document without text and one of another kind are refused by name', async () => {
  const odd = await tunery('documents', file('x.pages', 'x'));
  expect(odd).toMatchObject({ code: 1, err: expect.stringContaining('documents are .pdf') });
  const broken = await tunery('documents', file('broken.pdf', 'not a pdf'));
  expect(broken).toMatchObject({ code: 1, err: expect.stringContaining('broken.pdf') });
});
