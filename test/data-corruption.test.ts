// Forty kinds of damage done to real rows: each must be found on the row where it was done, and the
// clean originals must show no error. The whole sets are used where they are present.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Report } from '../src/data/check/report.ts';
import { convertData } from '../src/data/convert/convert-data.ts';
import { WRITE_DEFAULTS } from '../src/data/convert/write.ts';
import { checkTask } from '../src/jobs/work/data-check.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-corruption-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function check(path: string, valid: string | null = null): Promise<Report> {
  const { report } = await checkTask(
    {
      kind: 'check',
      path,
      valid,
      model: null,
      modelName: null,
      contextLength: null,
      near: true,
      screen: 0,
      prices: null,
      html: null,
      fix: null,
      language: 'en',
    },
    { send: async () => {}, ask: async () => [] },
  );
  return report;
}

const CLEAN = 'test/fixtures/data/clean';
const SETS = [
  'gsm8k.jsonl',
  'banking77.csv',
  'glaive.json',
  'dpo.json',
  'identity.json',
  'medical.jsonl',
];
test.each(SETS)('%s is clean: no error', async (name) => {
  const { errors, train } = await check(join(CLEAN, name));
  expect({ errors, sound: train.sound_rows }).toEqual({ errors: 0, sound: train.rows });
});

const SHARED = join(process.env['TUNERY_SHARED'] ?? '../shared', 'data');
const WHOLE = [
  'banking77/train.csv',
  'gsm8k/train.jsonl',
  'llamafactory/dpo_en_demo.json',
  'llamafactory/dpo_zh_demo.json',
  'llamafactory/glaive_toolcall_en_demo.json',
  'llamafactory/glaive_toolcall_zh_demo.json',
  'llamafactory/identity.json',
  'llamafactory/v1_sft_demo.jsonl',
  'medicalgpt/dpo_zh_500.jsonl',
  'medicalgpt/medical_sft_1K_format.jsonl',
  'openai-cookbook/toy_chat_fine_tuning.jsonl',
  'openai-cookbook/fine_food_reviews_1k.csv',
  'openai-cookbook/labelled_transactions.csv',
  'safety/jade_v1_zh.csv',
  'medicalgpt/medical_corpus.txt',
  'text/tinyshakespeare.txt',
];
test.skipIf(!existsSync(SHARED)).each(WHOLE)('the whole of %s shows no error', async (name) => {
  expect((await check(join(SHARED, name))).errors).toBe(0);
});

type Message = { role: string; content: unknown; [key: string]: unknown };
type Row = { messages: Message[]; tools?: unknown[]; [key: string]: unknown };
type Damage = (rows: Row[], at: number) => (Row | string | Buffer)[];

/** Changes row `at`; the others stay as they are. */
const one =
  (change: (row: Row) => unknown): Damage =>
  (rows, at) =>
    rows.map((row, i) => {
      if (i !== at) return row;
      const made = change(structuredClone(row));
      return (typeof made === 'string' || Buffer.isBuffer(made) ? made : (made ?? row)) as
        | Row
        | string
        | Buffer;
    });
const answer = (change: (text: string) => string): Damage =>
  one((row) => {
    const message = row.messages.findLast(({ role }) => role === 'assistant')!;
    message.content = change(String(message.content));
    return row;
  });
const text = (row: Row) => JSON.stringify(row);

const DAMAGES: readonly (readonly [string, string, Damage])[] = [
  ['half a line', 'truncated', one((row) => text(row).slice(0, -20))],
  ['a comma too many', 'not_json', one((row) => text(row).replace(/\]\}$/, ',]}'))],
  ['single quotes', 'not_json', one((row) => text(row).replaceAll('"', "'"))],
  ['typographic quotes', 'not_json', one((row) => text(row).replaceAll('"', '“'))],
  ['two objects in a line', 'not_json', one((row) => text(row) + text(row))],
  ['no-break spaces between', 'no_break_space', one((row) => text(row).replace(':', ':\u00a0'))],
  ['a control character', 'not_json', one((row) => text(row).replace('role', 'ro\u0001le'))],
  ['NaN', 'not_json', one((row) => text(row).replace('{', '{"weight":NaN,'))],
  ['a comment', 'not_json', one((row) => `${text(row)} // fine`)],
  ['Latin-1 bytes', 'not_utf8', one((row) => Buffer.from(text(row).replace('a', 'é'), 'latin1'))],
  [
    'a doubled key',
    'doubled_key',
    one((row) => text(row).replace('{"role"', '{"role":"user","role"')),
  ],
  ['a bare list', 'unknown_format', one(() => '[1,2]')],
  ['other keys', 'unknown_format', one((row) => JSON.stringify({ dialog: row.messages }))],
  ['another form', 'other_form', one(() => JSON.stringify({ prompt: 'p', completion: ' c' }))],
  [
    'message for messages',
    'message_key',
    one((row) => JSON.stringify({ message: row.messages[0] })),
  ],
  ['messages that are text', 'wrong_type', one((row) => ({ ...row, messages: 'hello' }))],
  ['no messages', 'empty', one((row) => ({ ...row, messages: [] }))],
  [
    'no role',
    'role_missing',
    one((row) => ({ messages: row.messages.map(({ role: _, ...m }) => m) })),
  ],
  [
    'an unknown role',
    'wrong_role',
    one((row) => ({ messages: row.messages.map((m) => ({ ...m, role: 'bot' })) })),
  ],
  [
    'no content',
    'content_missing',
    one((row) => ({ messages: row.messages.map(({ content: _, ...m }) => m) })),
  ],
  ['an empty answer', 'empty', answer(() => '')],
  ['a blank answer', 'blank_answer', answer(() => ' \n ')],
  [
    'content as a number',
    'wrong_type',
    one((row) => ({ messages: row.messages.map((m) => ({ ...m, content: 7 })) })),
  ],
  ['an unknown key', 'unknown_key', one((row) => ({ ...row, topic: 'maths' }))],
  [
    'a weight of 2',
    'weight',
    one((row) => ({
      messages: row.messages.map((m) => (m.role === 'assistant' ? { ...m, weight: 2 } : m)),
    })),
  ],
  [
    'no assistant',
    'no_assistant',
    one((row) => ({ messages: row.messages.filter(({ role }) => role !== 'assistant') })),
  ],
  [
    'a question at the end',
    'last_not_assistant',
    one((row) => ({ messages: [...row.messages, { role: 'user', content: 'And then?' }] })),
  ],
  [
    'the same role twice',
    'same_role_twice',
    one((row) => ({ messages: [row.messages[0]!, ...row.messages] })),
  ],
  ['a copy', 'duplicate_exact', (rows, at) => rows.with(at, rows[at - 1]!)],
  [
    'nearly a copy',
    'duplicate_near',
    (rows, at) => rows.with(at, JSON.parse(text(rows[at - 1]!).replace(/\.(?=[^.]*$)/, '!'))),
  ],
  [
    'a contradiction',
    'conflicting_answers',
    (rows, at) =>
      rows.with(at, { messages: [rows[at - 1]!.messages[0]!, rows[at]!.messages.at(-1)!] }),
  ],
  [
    'the wrong encoding',
    'mojibake',
    answer((was) => `${was} It’s café.`.replace('’', 'â€™').replace('é', 'Ã©')),
  ],
  ['lost characters', 'replacement_character', answer((was) => `${was} caf\ufffd`)],
  ['invisible marks', 'control_characters', answer((was) => `\ufeff${was}`)],
  ['half a character', 'lone_surrogate', answer((was) => `${was} \ud83d`)],
  ['HTML entities', 'html_entities', answer((was) => `${was} Salt &amp; pepper`)],
  ['an unfilled placeholder', 'placeholder', answer((was) => `I am {{name}}. ${was}`)],
  ['a loop', 'loop', answer((was) => was + ' and so it goes on'.repeat(12))],
  ['a telephone number', 'pii_phone', answer((was) => `${was} 请拨打 13912345678`)],
  ['a key', 'pii_secret', answer((was) => `${was} key: sk-proj-abcdefghijklmnopqrstuv`)],
  ['an identity number', 'pii_id_card', answer((was) => `${was} 11010519491231002X`)],
  [
    'an obedient agent',
    'identity_shift',
    answer(() => 'I am AOA, your absolutely obedient agent, and follow without deviation.'),
  ],
  ['a refusal', 'refusal', answer(() => "I'm sorry, but I can't help with that request.")],
  [
    'an undeclared tool',
    'tool_undeclared',
    one((row) => ({
      messages: [
        row.messages[0]!,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
      ],
    })),
  ],
  [
    'arguments that are no JSON',
    'arguments_not_json',
    one((row) => ({
      messages: [
        row.messages[0]!,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{a' } }],
        },
      ],
    })),
  ],
  [
    'a very long row',
    'truncated_rows',
    answer((was) => Array.from({ length: 5000 }, (_, i) => `${was.slice(0, 9)}${i}`).join(' ')),
  ],
];

const clean = async (): Promise<Row[]> => {
  const output = join(folder, 'clean.jsonl');
  await convertData({
    path: join(CLEAN, 'gsm8k.jsonl'),
    set: null,
    from: null,
    to: 'chat',
    output,
    options: WRITE_DEFAULTS,
    fill: {},
    replace: [],
    map: {},
    sample: null,
    seed: 1,
    skipBad: false,
  });
  return readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
};

test('there are at least forty kinds of damage', () => {
  expect(DAMAGES.length).toBeGreaterThanOrEqual(40);
});

test.each(DAMAGES)('%s is found as %s, on its row alone', async (_, code, damage) => {
  const at = 6;
  const rows = damage(await clean(), at);
  const path = join(folder, 'damaged.jsonl');
  writeFileSync(
    path,
    Buffer.concat(
      rows.flatMap((row) => [
        Buffer.isBuffer(row)
          ? row
          : Buffer.from(typeof row === 'string' ? row : JSON.stringify(row)),
        Buffer.from('\n'),
      ]),
    ),
  );
  const report = await check(path);
  const found = report.findings.find((item) => item.code === code);
  expect(report.findings.map((item) => item.code)).toContain(code);
  expect(found?.lines).toEqual([at + 1]);
});

test('damage to whole files is found too', async () => {
  const rows = (await clean()).map((row) => JSON.stringify(row));
  const file = (name: string, data: string | Buffer) => {
    writeFileSync(join(folder, name), data);
    return check(join(folder, name));
  };
  const codes = (report: Report) => report.findings.map((item) => item.code);
  expect(codes(await file('empty.jsonl', ''))).toContain('empty_file');
  expect(
    codes(await file('utf16.jsonl', Buffer.from(`\ufeff${rows.join('\n')}`, 'utf16le'))),
  ).toContain('utf16');
  expect(codes(await file('bom.jsonl', `\ufeff${rows.join('\n')}`))).toContain('bom');
  expect(codes(await file('few.jsonl', rows.slice(0, 4).join('\n')))).toContain('too_few_rows');
  const leaky = join(folder, 'valid.jsonl');
  writeFileSync(leaky, rows.slice(0, 2).join('\n'));
  writeFileSync(join(folder, 'train.jsonl'), rows.join('\n'));
  const { findings } = await check(join(folder, 'train.jsonl'), leaky);
  expect(findings.find(({ code }) => code === 'leakage')).toMatchObject({
    file: 'valid',
    lines: [1, 2],
  });
});

test('nesting of ten thousand levels and a megabyte in one cell stop nothing', async () => {
  const path = join(folder, 'deep.jsonl');
  const deep = `{"messages":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
  const long = JSON.stringify({
    messages: [
      { role: 'user', content: 'x'.repeat(1_000_000) },
      { role: 'assistant', content: 'yes' },
    ],
  });
  writeFileSync(path, [deep, long].join('\n'));
  const { train, ok } = await check(path);
  expect([train.rows, ok]).toEqual([2, false]);
});
