// tunery data convert and preview: forms of training rows, what is lost between them, what the model sees.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type ConvertRequest, convertData } from '../src/data/convert/convert-data.ts';
import { WRITE_DEFAULTS } from '../src/data/convert/write.ts';
import { script } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-convert-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(content: unknown, name = `${++files}.jsonl`): string {
  const path = join(folder, name);
  const lines = (rows: readonly unknown[]) =>
    rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  writeFileSync(path, typeof content === 'string' ? content : lines(content as unknown[]));
  return path;
}

async function convert(path: string, to: ConvertRequest['to'], more: Partial<ConvertRequest> = {}) {
  const output = join(folder, `out-${++files}.jsonl`);
  const result = await convertData({
    path,
    set: null,
    from: null,
    to,
    output,
    options: WRITE_DEFAULTS,
    fill: {},
    replace: [],
    map: {},
    sample: null,
    seed: 1,
    skipBad: false,
    ...more,
  });
  const written = readFileSync(more.output ?? output, 'utf8');
  const rows = written
    .trim()
    .split('\n')
    .map((line) => (line.startsWith('{') ? JSON.parse(line) : line));
  return {
    ...result,
    count: result.rows,
    rows,
    written,
    lost: result.lost.map(({ key }) => key.slice('convert.lost.'.length)),
  };
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });

describe('reads', () => {
  test.each([
    [
      'alpaca',
      { instruction: 'Add', input: '1 and 2', output: '3' },
      [user('Add\n1 and 2'), assistant('3')],
    ],
    [
      'alpaca with history',
      { instruction: 'c', input: '', output: 'd', history: [['a', 'b']], system: 's' },
      [system('s'), user('a'), assistant('b'), user('c'), assistant('d')],
    ],
    [
      'ShareGPT',
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
        system: 's',
      },
      [system('s'), user('a'), assistant('b')],
    ],
    ['question and answer', { question: 'a', answer: 'b' }, [user('a'), assistant('b')]],
    [
      'nested lists of phrasings',
      { questions: [['a', 'a2']], answers: ['b'] },
      [user('a'), assistant('b')],
    ],
    [
      'prompt and completion',
      { prompt: 'a\n\n###\n\n', completion: ' b' },
      [user('a'), assistant('b')],
    ],
    ['a label', { text: 'a', label: 'b' }, [user('a'), assistant('b')]],
    [
      'consultations',
      { meta_instruction: 's', chat: [{ 咨询者: 'a', ChatLAW: 'b' }] },
      [system('s'), user('a'), assistant('b')],
    ],
    [
      'parts with loss weights',
      {
        messages: [
          { role: 'user', content: [{ type: 'text', value: 'a' }], loss_weight: 0 },
          { role: 'assistant', content: [{ type: 'text', value: 'b' }], loss_weight: 1 },
        ],
      },
      [user('a'), assistant('b')],
    ],
  ])('%s as chat', async (_, row, messages) => {
    expect((await convert(file([row]), 'chat')).rows).toEqual([{ messages }]);
  });

  test('calls of functions and their results', async () => {
    const row = {
      conversations: [
        { from: 'human', value: 'a' },
        { from: 'function_call', value: '{"name":"f","arguments":{"x":1}}' },
        { from: 'observation', value: '2' },
        { from: 'gpt', value: 'b' },
      ],
      tools: '[{"name":"f"}]',
    };
    const { rows, lost } = await convert(file([row]), 'chat');
    expect(lost).toEqual([]);
    expect(rows[0].tools).toEqual([{ type: 'function', function: { name: 'f' } }]);
    expect(rows[0].messages[1].tool_calls[0].function).toEqual({ name: 'f', arguments: '{"x":1}' });
    expect(rows[0].messages[2].tool_call_id).toBe(rows[0].messages[1].tool_calls[0].id);
    expect((await convert(file(rows), 'sharegpt')).rows).toEqual([row]);
  });
});

describe('preferences', () => {
  const pair = {
    input: { messages: [user('q')] },
    preferred_output: [assistant('good')],
    non_preferred_output: [assistant('bad')],
  };
  test.each([
    ['chosen and rejected', { prompt: 'q', chosen: 'good', rejected: 'bad' }],
    [
      'conversations that share a beginning',
      { chosen: [user('q'), assistant('good')], rejected: [user('q'), assistant('bad')] },
    ],
    [
      'the registry’s form',
      {
        conversations: [{ from: 'human', value: 'q' }],
        chosen: { from: 'gpt', value: 'good' },
        rejected: { from: 'gpt', value: 'bad' },
      },
    ],
    [
      'the other spelling',
      {
        input: pair.input,
        preferred_completion: pair.preferred_output,
        non_preferred_completion: pair.non_preferred_output,
      },
    ],
  ])('%s become the API’s pairs', async (_, row) => {
    expect((await convert(file([row]), 'preference')).rows).toEqual([pair]);
  });

  test('what the API would refuse is not made, and not read', async () => {
    const chosen = [user('q'), assistant('good'), user('more'), assistant('better')];
    const long = { chosen, rejected: [user('q'), assistant('bad')] };
    const { rows, lost } = await convert(file([long]), 'preference');
    expect([rows, lost]).toEqual([[''], ['several_messages']]);
    const crossed = { ...pair, preferred_output: undefined, preferred_completion: [] };
    await expect(convert(file([pair, crossed]), 'chosen-rejected')).rejects.toThrow(
      /line 2: the line mixes two spellings of its answers: .*preferred_completion/,
    );
    const two = { ...pair, non_preferred_output: [assistant('a'), assistant('b')] };
    await expect(convert(file([two]), 'chat')).rejects.toThrow(
      /line 1, non_preferred_output: expected exactly one assistant message, got 2/,
    );
  });

  test('as chat, the rejected answer is lost, and that is said', async () => {
    const { rows, lost } = await convert(file([pair]), 'chat');
    expect([rows, lost]).toEqual([[{ messages: [user('q'), assistant('good')] }], ['rejected']]);
  });
});

test('what a form cannot hold is named', async () => {
  const row = {
    messages: [system('s'), user('a'), { ...assistant('b'), weight: 0 }, user('c'), assistant('d')],
    tools: [{ type: 'function', function: { name: 'f' } }],
  };
  const lost = async (to: ConvertRequest['to']) => (await convert(file([row]), to)).lost.toSorted();
  expect(await lost('completion')).toEqual(['earlier', 'roles', 'tools', 'weight']);
  expect(await lost('qa')).toEqual(['system', 'tools', 'turns', 'weight']);
  expect(await lost('alpaca')).toEqual(['tools', 'weight']);
  expect(await lost('sharegpt')).toEqual(['weight']);
});

test('empty lines of a text are no rows', async () => {
  const path = join(folder, 'poem.txt');
  writeFileSync(path, 'First line\n\nSecond line\n \n');
  const { rows, lost } = await convert(path, 'completion');
  expect(rows.map((row) => row['completion'])).toEqual(['First line', 'Second line']);
  expect(lost).toEqual(['blank']);
});

test('alpaca and chat come back as they were', async () => {
  const chat = [{ messages: [system('s'), user('a'), assistant('b'), user('c'), assistant('d')] }];
  const { rows } = await convert(file(chat), 'alpaca');
  expect((await convert(file(rows), 'chat')).rows).toEqual(chat);
});

test('placeholders are filled and names replaced; what is left is counted', async () => {
  const rows = [
    {
      instruction: 'hi',
      input: '',
      output: 'I am <NAME> by <AUTHOR>, once {{name}} of {{author}}.',
    },
  ];
  const filled = await convert(file(rows), 'chat', { fill: { name: 'Tina', author: 'Acme' } });
  expect(filled.rows[0].messages[1].content).toBe('I am Tina by Acme, once Tina of Acme.');
  expect(filled.placeholders_left).toBe(0);
  expect((await convert(file(rows), 'chat')).placeholders_left).toBe(1);
  const replaced = await convert(file(rows), 'chat', { replace: [['<NAME>', 'Jurist']] });
  expect(replaced.written).toContain('I am Jurist');
});

test('a sample is drawn by seed, Chinese stays readable, a system line is added', async () => {
  const rows = Array.from({ length: 600 }, (_, i) => ({
    questions: `第${i}问？`,
    answers: '答。',
  }));
  const options = { ...WRITE_DEFAULTS, system: 'You are an assistant' };
  const draw = (seed: number) => convert(file(rows), 'chat', { sample: 10, seed, options });
  const [one, again, other] = [await draw(3), await draw(3), await draw(4)];
  expect(one.rows).toHaveLength(10);
  expect(again.written).toBe(one.written);
  expect(other.written).not.toBe(one.written);
  expect(one.written).toMatch(/第\d+问？/);
  expect(one.rows[0].messages[0]).toEqual(system('You are an assistant'));
});

describe('dataset_info.json', () => {
  const rows = '[{"q": "hi", "a": "Hello!"}]';
  const sha1 = createHash('sha1').update(rows).digest('hex');
  const info = (entry: string) => {
    file(rows, 'self.json');
    return file(
      `{\n  // the set of the book\n  "self": {\n    "file_name": "self.json", // here\n    ${entry}\n  },\n}\n`,
      'dataset_info.json',
    );
  };
  const columns = '"columns": {"prompt": "q", "response": "a"}';

  test('is read with its comments, its columns and its checksum', async () => {
    const { rows: made } = await convert(info(`"file_sha1": "${sha1}", ${columns}`), 'chat');
    expect(made).toEqual([{ messages: [user('hi'), assistant('Hello!')] }]);
    expect((await convert(info(columns), 'chat', { set: 'self' })).read).toBe(1);
  });

  test('a wrong checksum is told with both', async () => {
    const wrong = '6287a730'.padEnd(40, '0');
    const message = new RegExp(`${sha1}.*${wrong}`);
    await expect(convert(info(`"file_sha1": "${wrong}", ${columns}`), 'chat')).rejects.toThrow(
      message,
    );
    await expect(convert(info(columns), 'chat', { set: 'other' })).rejects.toThrow(
      /no set 'other' of: self/,
    );
  });
});

test('bad rows stop everything and leave no file, unless they may be skipped', async () => {
  const path = file([
    { question: 'a', answer: 'b' },
    { question: 'a', answer: { b: 1 } },
  ]);
  const output = join(folder, 'never.jsonl');
  await expect(convert(path, 'chat', { output })).rejects.toThrow(/line 2, answer: expected text/);
  expect(() => readFileSync(output)).toThrow('ENOENT');
  const { skipped } = await convert(path, 'chat', { output, skipBad: true });
  expect(skipped).toMatchObject([{ line: 2, path: 'answer' }]);
});

test('JSON and CSV are written by the name of the file', async () => {
  const rows = file([{ question: 'a, "b"', answer: 'c' }]);
  const json = await convert(rows, 'qa', { output: join(folder, 'x.json') });
  expect(JSON.parse(json.written)).toEqual([{ question: 'a, "b"', answer: 'c' }]);
  const csv = await convert(rows, 'classification', { output: join(folder, 'x.csv') });
  expect([json.count, csv.count]).toEqual([1, 1]);
  expect(csv.written).toBe('text,label\n"a, ""b""",c\n');
});

test('the command converts a table and previews it with the loss marked', async () => {
  const csv = file('text,label\nA burger,edible\nA tie,inedible\n', 'table.csv');
  const output = join(folder, 'table.jsonl');
  const made = await script('tunery', [
    'data',
    'convert',
    csv,
    '--to',
    'completion',
    '--separator',
    ' ->',
    '-o',
    output,
  ]).ended();
  expect(made).toMatchObject({ code: 0, out: expect.stringContaining('2 of 2 rows') });
  expect(readFileSync(output, 'utf8')).toContain('{"prompt":"A burger ->","completion":" edible"}');
  const model = ['--model', 'assets/models/stories260K.gguf'];
  const shown = await script('tunery', [
    'data',
    'preview',
    output,
    ...model,
    '--count',
    '1',
  ]).ended();
  expect(shown.out).toContain('<s> A burger ->⟦ edible⟧');
  const html = join(folder, 'preview.html');
  await script('tunery', ['data', 'preview', output, ...model, '--tokens', '--html', html]).ended();
  expect(readFileSync(html, 'utf8')).toMatch(
    /<mark><span class="token"> <\/span><span class="token">ed/,
  );
});
