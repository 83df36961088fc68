// What each field of /tunery/v1/data/documents and rationale does to what a model is asked, and to what is
// made of its answers. The model is an endpoint of the test's own, which keeps what it is sent.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Opened, openServer } from '../../src/server/start.ts';

vi.setConfig({ testTimeout: 120_000 });

// biome-ignore lint/suspicious/noExplicitAny: JSON, looked at by the tests
type Answer = any;
const asked: Answer[] = [];
let atOnce = 0;
let mostAtOnce = 0;

const PAIR = '[{"question": "How often?", "answer": "Once a year."}]';
const teacher = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = JSON.parse(Buffer.concat(chunks).toString());
  asked.push(body);
  mostAtOnce = Math.max(mostAtOnce, ++atOnce);
  await new Promise((resolve) => setTimeout(resolve, 50));
  atOnce -= 1;
  const { content } = body.messages.at(-1);
  const said = /\d\+\d/.test(content) ? 'They make\nAnswer: 4' : PAIR;
  const choices = [{ message: { role: 'assistant', content: said } }];
  const usage = { prompt_tokens: 100, completion_tokens: 20 };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ choices, usage }));
});

let directory: string;
let server: Opened;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-asking-'));
  await new Promise<void>((resolve) => teacher.listen(0, '127.0.0.1', resolve));
  const { port } = teacher.address() as AddressInfo;
  server = await openServer({
    dataDir: join(directory, 'data'),
    modelsDirs: ['assets/models'],
    env: { TUNERY_ENDPOINTS: `big=http://127.0.0.1:${port}/v1` },
  });
});
afterAll(async () => {
  await server.stop();
  await server.close();
  teacher.closeAllConnections();
  teacher.close();
  await rm(directory, { recursive: true, force: true });
});

const send = (path: string, init: RequestInit = {}) =>
  server.fetch(new Request(`http://localhost${path}`, init));
async function upload(name: string, content: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const body = new FormData();
  body.set('purpose', 'user_data');
  body.set('file', new File([content], name));
  return ((await (await send('/v1/files', { method: 'POST', body })).json()) as Answer).id;
}
let texts = 0;
/** A document that no other test asks about, so that no answer is remembered. */
const document = () => upload(`text-${++texts}.md`, `# Filter ${texts}\nClean it once a year.\n`);

async function post(tool: string, fields: object): Promise<{ body: Answer; seen: Answer[] }> {
  asked.length = 0;
  const init = { method: 'POST', body: JSON.stringify({ model: 'm', endpoint: 'big', ...fields }) };
  const response = await send(`/tunery/v1/data/${tool}`, init);
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return { body: text.startsWith('{') ? JSON.parse(text) : text, seen: [...asked] };
}
const rowsOf = async ({ id }: { id: string }): Promise<Answer[]> =>
  (await (await send(`/v1/files/${id}/content`)).text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('the model of the endpoint is asked with the sampling that was given', async () => {
  const { seen } = await post('documents', { file_id: await document() });
  expect(seen[0]).toMatchObject({ model: 'm', max_tokens: 1024, temperature: 0.3, seed: 1 });
  const own = { model: 'other', max_tokens: 99, temperature: 0.9, seed: 7 };
  expect((await post('documents', { file_id: await document(), ...own })).seen[0]).toMatchObject(
    own,
  );
  const none = await post('documents', { file_id: await document(), seed: 'none' });
  expect(none.seen[0]).not.toHaveProperty('seed');
  const file_id = await upload('sums.jsonl', '{"question":"2+2?","answer":"4"}\n');
  expect((await post('rationale', { file_id, ...own })).seen[0]).toMatchObject(own);
});

test('questions, language, system and license shape what is asked and written', async () => {
  const one = await post('documents', { file_id: await document(), questions: 1 });
  const many = await post('documents', { file_id: await document(), questions: 7 });
  const wording = ({ seen }: { seen: Answer[] }) => seen[0].messages.at(-1).content as string;
  expect(wording(many)).toContain('7');
  expect(wording(one)).not.toContain('7');
  const german = await post('documents', { file_id: await document(), language: 'German' });
  expect(JSON.stringify(german.seen[0].messages)).toContain('German');
  const shaped = { system: 'You know filters.', license: 'CC0', inline: true };
  const { body } = await post('documents', { file_id: await document(), ...shaped });
  const [row] = await rowsOf(body.file);
  expect(row.messages[0]).toEqual({ role: 'system', content: 'You know filters.' });
  expect(row.source).toMatchObject({ license: 'CC0' });
  const [plain] = await rowsOf(one.body.file);
  expect(plain).not.toHaveProperty('source');
  expect(plain.messages[0].role).toBe('user');
});

const LONG = Array.from({ length: 6 }, (_, i) => `Paragraph ${i}. ${'It says a lot. '.repeat(18)}`);
test('chunk cuts a text into more questions, parallel asks them side by side, dry_run asks none', async () => {
  const text = (name: string) => upload(name, `${name}\n\n${LONG.join('\n\n')}`);
  mostAtOnce = 0;
  const whole = await post('documents', { file_id: await text('a.txt'), chunk: 5000 });
  const cut = await post('documents', { file_id: await text('b.txt'), chunk: 300 });
  expect([whole.body.chunks, cut.body.chunks > 4]).toEqual([1, true]);
  expect(mostAtOnce).toBe(1);
  await post('documents', { file_id: await text('c.txt'), chunk: 300, parallel: 4 });
  expect(mostAtOnce).toBeGreaterThan(1);
  const dry = await post('documents', { file_id: await text('d.txt'), dry_run: true });
  expect([dry.body.object, dry.seen]).toEqual(['tunery.data_plan', []]);
  const paid = { file_id: await text('e.txt'), price_in: 1e6, price_out: 0, dry_run: true };
  expect((await post('documents', paid)).body.cost).toBe(dry.body.prompt_tokens);
});

test('several files are read together, and unreadable ones passed over on request', async () => {
  const file_ids = [await document(), await upload('cut.pdf', 'no document'), await document()];
  const { body } = await post('documents', { file_ids, skip_unreadable: true });
  expect([body.rows, Object.keys(body.licenses)]).toEqual([2, expect.any(Array)]);
  const refused = await send('/tunery/v1/data/documents', {
    method: 'POST',
    body: JSON.stringify({ model: 'm', endpoint: 'big', file_ids }),
  });
  expect(refused.status).toBe(400);
});

test('rationale reads encodings and sheets, plans, and tells its progress', async () => {
  const bytes = Buffer.from('question,answer\ncaf\xe9 2+2?,4\n', 'latin1');
  const file_id = await upload('sums.csv', new Uint8Array(bytes));
  const heard = async (encoding: string) =>
    JSON.stringify((await post('rationale', { file_id, encoding })).seen[0].messages);
  expect(await heard('windows-1252')).toContain('café');
  expect(await heard('windows-1251')).not.toContain('café');
  const { default: XLSX } = await import('@e965/xlsx');
  const book = XLSX.utils.book_new();
  for (const [name, sum] of [
    ['first', '1+3'],
    ['second', '3+1'],
  ] as const)
    XLSX.utils.book_append_sheet(
      book,
      XLSX.utils.json_to_sheet([{ question: `${sum}?`, answer: '4' }]),
      name,
    );
  const sheets = await upload(
    'sums.xlsx',
    new Uint8Array(XLSX.write(book, { type: 'buffer', bookType: 'xlsx' })),
  );
  const { seen } = await post('rationale', { file_id: sheets, sheet: 'second' });
  expect(JSON.stringify(seen[0].messages)).toContain('3+1');
  const rows = Array.from({ length: 6 }, (_, i) => ({ question: `${i}+1, again?`, answer: '4' }));
  const many = await upload('many.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  mostAtOnce = 0;
  const told = await post('rationale', { file_id: many, stream: true, parallel: 4 });
  expect(told.body).toMatch(/^data: [\s\S]*data: \[DONE\]\n\n$/);
  expect(mostAtOnce).toBeGreaterThan(1);
  const prices = { price_in: 1e6, price_out: 0 };
  const dry = await post('rationale', { file_id: many, dry_run: true, ...prices });
  expect([dry.body.object, dry.seen]).toEqual(['tunery.data_plan', []]);
  expect(dry.body.cost).toBe(dry.body.prompt_tokens);
});
