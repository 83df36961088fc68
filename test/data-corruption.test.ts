// Many kinds of damage done to real rows: each must be found on the row where it was done, and the
// clean originals must show no error. The whole sets are used where they are present.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Report } from '../src/data/check/report.ts';
import { convertData } from '../src/data/convert/convert-data.ts';
import { WRITE_DEFAULTS } from '../src/data/convert/write.ts';
import type { CheckTask } from '../src/jobs/data-protocol.ts';
import { checkTask } from '../src/jobs/work/data-check.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-corruption-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const task = (path: string, valid: string | null = null): CheckTask => ({
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
});

async function check(path: string, valid: string | null = null): Promise<Report> {
  const { report } = await checkTask(task(path, valid), {
    send: async () => {},
    ask: async () => [],
  });
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
const asked = (row: Row, change: (text: string) => string) => {
  const message = row.messages.find(({ role }) => role === 'user')!;
  message.content = change(String(message.content));
  return row;
};
const copyOf = (row: Row, made: (asked: string, said: string) => string) => {
  const [question, reply] = row.messages.map(({ content }) => String(content));
  row.messages[1]!.content = made(question!, reply!);
  return row;
};
const swapTexts = ({ messages: [a, b] }: Row): Row => ({
  messages: [
    { ...a!, content: b!.content },
    { ...b!, content: a!.content },
  ],
});
const swapRoles = () =>
  one(({ messages: [a, b] }) => ({
    messages: [
      { ...a!, role: b!.role },
      { ...b!, role: a!.role },
    ],
  }));
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
  ['swapped roles', 'last_not_assistant', swapRoles()],
  ['the assistant first', 'assistant_first', swapRoles()],
  ['swapped texts', 'swapped_sides', one(swapTexts)],
  ['zero-width characters', 'control_characters', answer((was) => was.replace(' ', '\u200b '))],
  ['a soft hyphen', 'control_characters', answer((was) => was.replace(' ', '\u00ad '))],
  ['turned text', 'control_characters', answer((was) => `\u202e${was}`)],
  ['UTF-8 read as GBK', 'mojibake', answer(() => '浣犲ソ锛屾垜鍙浠ュ府浣狅紝璇烽棶鏈変粈涔堥棶棰')],
  ['GBK read as Latin-1', 'mojibake', answer(() => 'ÄãºÃ£¬ÎÒÊÇÒ»¸öÖúÊÖ')],
  ['UTF-8 read as Windows-1252', 'mojibake', answer(() => 'ä½ å¥½ï¼Œæˆ‘æ˜¯åŠ©æ‰‹')],
  ['Russian read as Windows-1252', 'mojibake', answer(() => 'ÐŸÑ€Ð¸Ð²ÐµÑ‚, Ð¼Ð¸Ñ€')],
  ['look-alike letters', 'mixed_scripts', answer((was) => `${was} Тhe sаme`)],
  ['a BOM in the middle', 'bom_inside', one((row) => `\ufeff${text(row)}`)],
  [
    'base64',
    'encoded_blob',
    answer(() => Buffer.from('picture of a cat, 12'.repeat(40)).toString('base64')),
  ],
  ['a picture', 'encoded_blob', answer((was) => `${was} data:image/png;base64,iVBORw0KGgo=`)],
  ['numbered HTML entities', 'html_entities', answer((was) => `${was} it&#8217;s &hellip;`)],
  ['HTML tags', 'html_markup', answer((was) => `<p>${was}<br/></p>`)],
  ['marks of a template', 'special_tokens', answer((was) => `${was}<|im_end|>`)],
  ['marks of Llama', 'special_tokens', answer((was) => `[INST] ${was} [/INST]`)],
  ['the headings of alpaca', 'special_tokens', answer((was) => `### Response:\n${was}`)],
  ['line breaks written out', 'double_escaped', answer((was) => was.replaceAll('\n', '\\n'))],
  ['characters written out', 'double_escaped', answer((was) => `${was} \\u4f60\\u597d`)],
  ['blanks at the end', 'edge_spaces', answer((was) => `${was}  `)],
  ['the question as answer', 'echo', one((row) => copyOf(row, (asked) => asked.toUpperCase()))],
  [
    'the question in the answer',
    'prompt_in_answer',
    one((row) => copyOf(row, (asked, said) => `${asked}\n${said}`)),
  ],
  ['an answer in Chinese', 'language_switch', answer(() => '这道题的答案是十八，请看上面的计算。')],
  ['a link for an answer', 'url_only', answer(() => 'https://tunery.dev/answers/18')],
  ['turns in an answer', 'role_markers', answer((was) => `${was}\nUser: And then?\nAssistant: 3.`)],
  ['full-width letters', 'mixed_scripts', answer((was) => `${was} Ｔｈｅ　ｅｎｄ`)],
  ['an IBAN', 'pii_bank_card', answer((was) => `${was} DE89 3704 0044 0532 0130 00`)],
  ['a note to fill in', 'placeholder', answer(() => 'TODO write the answer of this one')],
  ['filler text', 'placeholder', answer((was) => `Lorem ipsum dolor sit amet. ${was}`)],
  ['pictures for an answer', 'short_answer', answer(() => '😀😀')],
  [
    'code without its end',
    'unfinished_answer',
    answer((was) => `${was} Use this:\n\`\`\`\nprint(1)`),
  ],
  ['null for an answer', 'null_answer', answer(() => 'null')],
  ['N/A for an answer', 'null_answer', answer(() => 'N/A')],
  ['dots for an answer', 'short_answer', answer(() => '...')],
  ['half an answer', 'unfinished_answer', answer((was) => `${was.slice(0, 60).trim()} and the`)],
  ['a blank question', 'blank_prompt', one((row) => asked(row, () => ' \n '))],
  ['a bank card', 'pii_bank_card', answer((was) => `${was} 6222021234567890128`)],
  ['an e-mail address', 'pii_email', answer((was) => `${was} zhang.san@tunery.dev`)],
  [
    'a key of Stripe',
    'pii_secret',
    answer((was) => `${was} ${['sk', 'live'].join('_')}_4eC39HqLyjWDarjtT1zdp7dc`),
  ],
  ['a private key', 'pii_secret', answer((was) => `${was} -----BEGIN OPENSSH PRIVATE KEY-----`)],
  ['a password', 'pii_secret', answer((was) => `${was} password: Tr0ub4dor&3x`)],
  [
    'a weight of 0 everywhere',
    'nothing_to_learn',
    one((row) => ({
      messages: row.messages.map((m) => (m.role === 'assistant' ? { ...m, weight: 0 } : m)),
    })),
  ],
  [
    'the same question in capitals',
    'conflicting_answers',
    (rows, at) =>
      rows.with(at, {
        messages: [
          { role: 'user', content: String(rows[at - 1]!.messages[0]!.content).toUpperCase() },
          rows[at]!.messages.at(-1)!,
        ],
      }),
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

type Table = { text: string; label: string }[];
const labelled = (): Table =>
  ['card_arrival', 'top_up', 'exchange_rate'].flatMap((label) =>
    Array.from({ length: 20 }, (_, i) => ({ text: `Question ${i} about my ${label}?`, label })),
  );
const LABEL_DAMAGES: readonly (readonly [string, string, (label: string) => string])[] = [
  ['a blank at the end', 'label_typo', (label) => `${label} `],
  ['capitals', 'label_typo', (label) => label.toUpperCase()],
  ['a letter too few', 'label_typo', (label) => label.slice(0, -1)],
  ['look-alike letters', 'label_typo', (label) => label.replaceAll('p', 'р').replaceAll('o', 'о')],
  ['full-width letters', 'label_typo', (label) => label.replace('t', 'ｔ')],
  ['an invisible mark', 'label_typo', (label) => `${label}\u200b`],
  ['another word', 'label_rare', () => 'banana'],
  ['null', 'label_rare', () => 'null'],
  ['a shifted column', 'label_odd', () => `${'I ordered a card three weeks ago and '.repeat(3)}?`],
];
test.each(LABEL_DAMAGES)('a label with %s is found as %s', async (_, code, damage) => {
  const rows = labelled().map((row, i) => (i === 30 ? { ...row, label: damage(row.label) } : row));
  const path = join(folder, 'labels.jsonl');
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  const { findings, errors } = await check(path);
  expect(findings.map((item) => item.code)).toContain(code);
  expect(findings.find((item) => item.code === code)?.lines).toEqual([31]);
  expect(errors).toBe(0);
});

test.each([
  ['a separator that is missing', 'separator_missing', { prompt: 'Is item 6 edible?' }],
  ['a stop sequence that is missing', 'stop_missing', { completion: ' item 6 is edible' }],
  ['a space that is missing', 'completion_start', { completion: 'item 6 is edible END' }],
])('%s is found as %s, and mended', async (_, code, change) => {
  const rows = Array.from({ length: 20 }, (_, i) => ({
    prompt: `Is item ${i} edible?\n\n###\n\n`,
    completion: ` item ${i} is edible END`,
  }));
  const path = join(folder, `pairs-${code}.jsonl`);
  const damaged = rows.with(6, { ...rows[6]!, ...change });
  writeFileSync(path, damaged.map((row) => JSON.stringify(row)).join('\n'));
  const { findings } = await check(path);
  expect(findings.find((item) => item.code === code)?.lines).toEqual([7]);
  const output = join(folder, `mended-${code}.jsonl`);
  await checkTask(
    { ...task(path), fix: { output, validOutput: null, fill: {} } },
    {
      send: async () => {},
      ask: async ({ questions }) =>
        questions.filter((q) => q.code === code).map((q) => `train/${q.code}`),
    },
  );
  const mended = readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(mended).toEqual(rows);
});

test('every damage that a fix can mend is gone from the mended copy', async () => {
  const rows = await clean();
  const harm: readonly ((text: string) => string)[] = [
    (t) => `${t}<|im_end|>`,
    (t) => `<p>${t}</p>`,
    (t) => `${t} it&#8217;s`,
    (t) => t.replace(' ', '\u200b '),
    (t) => `${t}  `,
    (t) => `${t}\nHuman: And then?`,
    (t) => `Sure! ${t}`,
    (t) => `${t} Тhe end`,
    (t) => `${t} cafÃ©`,
    () => 'null',
    () => 'https://tunery.dev/a',
    (t) => `I am {{name}}. ${t}`,
    (t) => `${t} Write to jane.roe@tunery.dev`,
  ];
  for (const [i, change] of harm.entries())
    rows[i]!.messages[1]!.content = change(String(rows[i]!.messages[1]!.content));
  rows[16]!.messages.push({ role: 'user', content: 'And then?' });
  rows[13]!.messages.unshift({ role: 'user', content: 'First.' });
  const lines = rows.map((row) => JSON.stringify(row));
  lines[14] = `\ufeff${lines[14]}`;
  lines[15] = lines[15]!.slice(0, -9);
  const path = join(folder, 'harmed.jsonl');
  writeFileSync(path, lines.join('\n'));
  const output = join(folder, 'mended.jsonl');
  const { fixed } = await checkTask(
    { ...task(path), fix: { output, validOutput: null, fill: { name: 'Tina' } } },
    { send: async () => {}, ask: async ({ questions }) => questions.map((q) => `train/${q.code}`) },
  );
  expect(fixed[0]).toMatchObject({ rows: rows.length - 3, dropped: 3 });
  const { findings } = await check(output);
  expect(findings.map((item) => item.code)).toEqual(['few_rows', 'missing_system']);
});

test('a training row in the validation file is found in other case and spacing', async () => {
  const rows = await clean();
  const leaky = join(folder, 'leaky.jsonl');
  const loud = rows[3]!.messages.map((m) => ({ ...m, content: ` ${m.content}`.toUpperCase() }));
  writeFileSync(leaky, text({ messages: loud }));
  writeFileSync(join(folder, 'train.jsonl'), rows.map(text).join('\n'));
  const { findings } = await check(join(folder, 'train.jsonl'), leaky);
  expect(findings.filter(({ code }) => /^leakage/.test(code))).toMatchObject([
    { file: 'valid', lines: [1] },
  ]);
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
