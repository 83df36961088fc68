import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { en } from '../messages/en.ts';
import { checkFile } from './check.ts';
import { MAX_LINE_BYTES } from './lines.ts';
import { describe as describeProblem, type Problem } from './problems.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunery-check-'));
});
afterAll(() => rm(folder, { recursive: true }));

const GOOD = '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}';
const chat = (...messages: unknown[]) => JSON.stringify({ messages });
const user = { role: 'user', content: 'q' };
const assistant = { role: 'assistant', content: 'a' };

async function check(content: string | Buffer) {
  const path = join(folder, 'file.jsonl');
  await writeFile(path, content);
  const problems: Problem[] = [];
  const iterator = checkFile(path);
  for (let next = await iterator.next(); ; next = await iterator.next()) {
    if (next.done) return { problems, ...next.value };
    problems.push(next.value);
  }
}

/** A preference row; a field that is undefined is not there. */
const pair = (word = 'output', fields: object = {}) => ({
  input: { messages: [user] },
  [`preferred_${word}`]: [assistant],
  [`non_preferred_${word}`]: [{ ...assistant, content: 'b' }],
  ...fields,
});

const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } };
test.each<[string, string]>([
  ['a plain chat row', GOOD],
  ['CRLF line ends and blank lines', `${GOOD}\r\n\r\n`],
  ['a last line without its line break', `${GOOD}\n${GOOD}`],
  [
    'a developer message and weights',
    chat({ role: 'developer', content: 'd' }, user, { ...assistant, weight: 0 }),
  ],
  ['names', chat({ ...user, name: 'Ann' }, assistant)],
  [
    'tool calls and their answers',
    chat(
      user,
      { role: 'assistant', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: '' },
      assistant,
    ),
  ],
  [
    'the older function calls',
    chat(
      user,
      { role: 'assistant', content: null, function_call: call.function },
      { role: 'function', name: 'f', content: '1' },
    ),
  ],
  [
    'tools',
    JSON.stringify({
      messages: [user, assistant],
      tools: [{ type: 'function', function: { name: 'f' } }],
      parallel_tool_calls: false,
    }),
  ],
  ['text parts', chat({ role: 'user', content: [{ type: 'text', text: 'q' }] }, assistant)],
  ['prompt and completion', '{"prompt":"","completion":" a"}'],
  [
    'a row for reinforcement',
    JSON.stringify({ messages: [user], answer: { any: 'thing' }, response_format: {} }),
  ],
  ['one with a dialogue before', JSON.stringify({ messages: [user, assistant, user], answer: 1 })],
  ['preferences', JSON.stringify(pair())],
  ['preferences in the other spelling', JSON.stringify(pair('completion'))],
  [
    'preferences with tools and a conversation',
    JSON.stringify(
      pair('output', {
        input: {
          messages: [{ role: 'system', content: 's' }, user, { ...assistant, weight: 0 }, user],
          tools: [{ type: 'function', function: { name: 'f' } }],
          parallel_tool_calls: true,
        },
        preferred_output: [{ role: 'assistant', tool_calls: [call] }],
      }),
    ),
  ],
  [
    'either spelling in one file',
    `${JSON.stringify(pair())}\n${JSON.stringify(pair('completion'))}`,
  ],
])('%s passes', async (_, content) => {
  expect((await check(content)).problems).toEqual([]);
});

const PREFERENCE_FAULTS: readonly [what: string, fields: object, path: string, key: string][] = [
  ['no input', { input: undefined }, 'input', 'data.key_missing'],
  ['input as text', { input: 'q' }, 'input', 'data.wrong_type'],
  ['no messages in the input', { input: {} }, 'input.messages', 'data.key_missing'],
  ['an empty conversation', { input: { messages: [] } }, 'input.messages', 'data.empty'],
  [
    'an extra key in the input',
    { input: { messages: [user], x: 1 } },
    'input.x',
    'data.unknown_key',
  ],
  ['an extra key', { score: 1 }, 'score', 'data.unknown_key'],
  [
    'an unknown role in the input',
    { input: { messages: [user, { role: 'bot', content: 'b' }] } },
    'input.messages[1].role',
    'data.wrong_role',
  ],
  [
    'a tool without a name',
    { input: { messages: [user], tools: [{ type: 'function' }] } },
    'input.tools[0]',
    'data.bad_tool',
  ],
  ['no preferred answer', { preferred_output: undefined }, 'preferred_output', 'data.key_missing'],
  [
    'no rejected answer',
    { non_preferred_output: undefined },
    'non_preferred_output',
    'data.key_missing',
  ],
  ['an answer as text', { preferred_output: 'a' }, 'preferred_output', 'data.wrong_type'],
  ['a null answer', { preferred_output: null }, 'preferred_output', 'data.wrong_type'],
  ['an answer without messages', { preferred_output: [] }, 'preferred_output', 'data.one_answer'],
  [
    'an answer of two messages',
    { non_preferred_output: [assistant, assistant] },
    'non_preferred_output',
    'data.one_answer',
  ],
  [
    'an answer of the user',
    { preferred_output: [user] },
    'preferred_output[0].role',
    'data.answer_role',
  ],
  [
    'an answer without a role',
    { preferred_output: [{ content: 'a' }] },
    'preferred_output[0].role',
    'data.role_missing',
  ],
  [
    'an empty answer',
    { preferred_output: [{ role: 'assistant', content: '' }] },
    'preferred_output[0].content',
    'data.empty',
  ],
  [
    'an answer with a weight',
    { preferred_output: [{ ...assistant, weight: 1 }] },
    'preferred_output[0].weight',
    'data.unknown_key',
  ],
  ['two spellings', { preferred_completion: [assistant] }, '', 'data.two_spellings'],
  [
    'one answer in each spelling',
    { non_preferred_output: undefined, non_preferred_completion: [assistant] },
    '',
    'data.two_spellings',
  ],
  ['messages beside the answers', { messages: [user, assistant] }, '', 'data.both_formats'],
  ['a prompt beside the answers', { prompt: 'q' }, '', 'data.both_formats'],
];

test.each<[string, string | Buffer, [number, string, string]]>([
  ['an empty file', '', [0, '', 'data.empty_file']],
  ['blank lines only', '\n \n', [0, '', 'data.empty_file']],
  ['UTF-16 with its mark', Buffer.from(`\ufeff${GOOD}`, 'utf16le'), [0, '', 'data.utf16']],
  ['gzip', gzipSync(GOOD), [0, '', 'data.packed']],
  ['a workbook', Buffer.from('PK\x03\x04\x14\0\x06\0'), [0, '', 'data.packed']],
  ['UTF-16 without its mark', Buffer.from(GOOD, 'utf16le'), [0, '', 'data.utf16']],
  ['Latin-1', Buffer.from(GOOD.replace('"q"', '"é"'), 'latin1'), [1, '', 'data.not_utf8']],
  ['half a line', `${GOOD}\n${GOOD.slice(0, 40)}`, [2, '', 'data.truncated']],
  ['no JSON', 'prompt,completion\n', [1, '', 'data.not_json']],
  ['a JSON list', `[${GOOD}]`, [1, '', 'data.array']],
  ['blanks from a web page', GOOD.replaceAll(':', ':\u00a0'), [1, '', 'data.no_break_space']],
  ['one message', '{"message":{"role":"user"}}', [1, 'message', 'data.message_key']],
  ['a number', '1', [1, '', 'data.wrong_type']],
  [
    'nesting without end',
    `{"messages":${'['.repeat(9999)}${']'.repeat(9999)}}`,
    [1, '', 'data.too_deep'],
  ],
  ['other keys', '{"text":"x"}', [1, '', 'data.unknown_format']],
  ['mixed formats', `${GOOD}\n{"prompt":"p","completion":"c"}`, [2, '', 'data.mixed']],
  ['both formats in a line', '{"messages":[],"prompt":"p"}', [1, '', 'data.both_formats']],
  [
    'an unknown role',
    chat({ ...user, role: 'bot' }, assistant),
    [1, 'messages[0].role', 'data.wrong_role'],
  ],
  [
    'a missing role',
    chat(user, { content: 'a' }, assistant),
    [1, 'messages[1].role', 'data.role_missing'],
  ],
  ['no assistant', chat(user), [1, 'messages', 'data.no_assistant']],
  ['no messages', chat(), [1, 'messages', 'data.empty']],
  [
    'empty content',
    chat(user, { ...assistant, content: '' }),
    [1, 'messages[1].content', 'data.empty'],
  ],
  [
    'missing content',
    chat({ role: 'user' }, assistant),
    [1, 'messages[0].content', 'data.content_missing'],
  ],
  ['weight 2', chat(user, { ...assistant, weight: 2 }), [1, 'messages[1].weight', 'data.weight']],
  [
    'a weight on a user',
    chat({ ...user, weight: 1 }, assistant),
    [1, 'messages[0].weight', 'data.unknown_key'],
  ],
  [
    'an unknown key',
    GOOD.replace('{"messages"', '{"x":1,"messages"'),
    [1, 'x', 'data.unknown_key'],
  ],
  [
    'a picture',
    chat({ role: 'user', content: [{ type: 'image_url' }] }, assistant),
    [1, 'messages[0].content[0]', 'data.not_text'],
  ],
  [
    'a number as content',
    chat({ role: 'user', content: 1 }, assistant),
    [1, 'messages[0].content', 'data.wrong_type'],
  ],
  ['an empty completion', '{"prompt":"p","completion":""}', [1, 'completion', 'data.empty']],
  ['mixed with chat', `${GOOD}\n${JSON.stringify(pair())}`, [2, '', 'data.mixed']],
  ...PREFERENCE_FAULTS.map(
    ([what, fields, path, key]): [string, string, [number, string, string]] => [
      what,
      `${JSON.stringify(pair())}\n${JSON.stringify(pair('output', fields))}`,
      [2, path, key],
    ],
  ),
])('%s is one problem, with its place', async (_, content, expected) => {
  const { problems } = await check(content);
  expect(problems.map(({ line, path, key }) => [line, path, key])).toEqual([expected]);
  expect(describeProblem(problems[0]!)).not.toMatch(/\{\w+\}|undefined/);
});

test('a byte order mark is skipped with a note', async () => {
  const { problems, examples } = await check(`\ufeff${GOOD}\n`);
  expect(problems.map(({ level, key }) => [level, key])).toEqual([['note', 'data.bom']]);
  expect(examples).toBe(1);
});

test('a line of 5 MB is named, and the lines around it are still read', async () => {
  const long = chat({ role: 'user', content: 'x'.repeat(5_000_000) }, assistant);
  const { problems, examples } = await check(`${GOOD}\n${long}\n${GOOD}\n`);
  expect(problems.map(({ line, key }) => [line, key])).toEqual([[2, 'data.line_too_long']]);
  expect(problems[0]!.params['limit']).toBe(MAX_LINE_BYTES);
  expect(examples).toBe(2);
});

test('every problem is reported, in the order of the lines', async () => {
  const bad = chat({ role: 'bot', content: 'x' }, { ...assistant, weight: 2 });
  const { problems, examples, format } = await check([GOOD, bad, '', '{', GOOD].join('\n'));
  expect(problems.map(({ line, example, key }) => [line, example, key])).toEqual([
    [2, 2, 'data.wrong_role'],
    [2, 2, 'data.weight'],
    [4, 3, 'data.truncated'],
  ]);
  expect({ examples, format }).toEqual({ examples: 2, format: 'chat' });
});

test('the sentence quotes example, message, line and path, as the API does', async () => {
  const { problems } = await check(`\n${chat(user, { content: 'a' })}\n`);
  expect(describeProblem(problems[0]!)).toBe(
    "Example 1, message 2 Discriminator 'role' is missing in value (line 2, messages[1].role). Add 'role'.",
  );
});

test('every problem has a way out in the catalogue', () => {
  const keys = Object.keys(en).filter((key) => key.startsWith('data.'));
  const whats = keys.filter((key) => !key.endsWith('.fix'));
  expect(keys.filter((key) => key.endsWith('.fix')).toSorted()).toEqual(
    whats.map((key) => `${key}.fix`).toSorted(),
  );
});

test('a JSON list over many lines is told so at its first line', async () => {
  const { problems } = await check(`[\n${GOOD},\n${GOOD}\n]`);
  expect(problems[0]).toMatchObject({ line: 1, key: 'data.array' });
});
