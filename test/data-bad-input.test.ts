// What people feed the data commands by mistake or malice: check, convert, transform and preview each
// say where, what and what to do, exit with 1, and leave nothing behind. prepare: data-prepare.test.ts.
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
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { afterAll, describe, expect, test } from 'vitest';
import { Program } from './program.ts';
import { runCli } from './run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'bad-input-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const COMMANDS = {
  prepare: (file: string, out: string) => [file, '-q', '-o', join(out, 'rows')],
  check: (file: string, out: string) => [file, '--screen', '0', '--html', join(out, 'x.html')],
  convert: (file: string, out: string) => [file, '--to', 'chat', '-o', join(out, 'rows.jsonl')],
  transform: (file: string, out: string) => [file, '--shuffle', '-o', join(out, 'rows.jsonl')],
  preview: (file: string) => [file, '--model', 'assets/models/stories260K.gguf', '--count', '30'],
};
type Command = keyof typeof COMMANDS;
const ALL = Object.keys(COMMANDS) as Command[];
const OTHERS = ALL.filter((command) => command !== 'prepare');

let folders = 0;
async function run(command: Command, file: string, ...flags: string[]) {
  const out = join(root, `out-${++folders}`);
  mkdirSync(out);
  const ran = await runCli(['data', command, ...COMMANDS[command](file, out), ...flags]);
  return { ...ran, said: `${ran.out}${ran.err}`, left: readdirSync(out) };
}

const CHAT = Array.from({ length: 12 }, (_, i) => ({
  messages: [
    { role: 'user', content: `What is ${i} and ${i}?` },
    { role: 'assistant', content: `That is ${2 * i}, as you know.` },
  ],
}));
const question = (content: string) => ({
  messages: [
    { role: 'user', content },
    { role: 'assistant', content: 'x' },
  ],
});
const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const CSV = `prompt,completion\n${CHAT.map(({ messages: [q, a] }) => `${q!.content},"${a!.content}"\n`).join('')}`;
const SOUND = jsonl(CHAT);
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
const gbk = (text: string) => Buffer.from(text.replaceAll('问题', '\xce\xca\xcc\xe2'), 'latin1');

/** Name of the file, what is in it, and what every command must say of it. */
const INPUTS: readonly (readonly [string, string, string | Uint8Array, RegExp])[] = [
  [
    'a workbook with a password',
    'locked.xlsx',
    readFileSync('test/fixtures/tables/password.xlsx'),
    /locked\.xlsx.*protected by a password.*remove the password/s,
  ],
  [
    'one that is called otherwise',
    'locked.csv',
    readFileSync('test/fixtures/tables/password.xlsx'),
    /locked\.csv.*protected by a password/s,
  ],
  [
    'text that is called a workbook',
    'text.xlsx',
    'no workbook',
    /text\.xlsx.*the workbook cannot be read/s,
  ],
  [
    'half an archive',
    'half.zip',
    zipSync({ 'a.csv': Buffer.from(CSV) }).subarray(0, 90),
    /half\.zip.*the archive cannot be read/s,
  ],
  [
    'an archive in an archive',
    'nested.zip',
    zipSync({ 'in.zip': zipSync({ 'a.csv': Buffer.from(CSV) }) }),
    /in\.zip.*archive inside an archive/s,
  ],
  [
    'a bomb',
    'bomb.csv.gz',
    gzipSync(Buffer.alloc(80 * 1024 * 1024, 'aaaaaaa,bbbbbbb\n')),
    /bomb\.csv.*grows to more than 300 times/s,
  ],
  ['a row with too many cells', 'ragged.csv', `${CSV}a,b,c,d\n`, /4 cells, the header 2/],
  [
    'a quotation mark left open',
    'quote.csv',
    `${CSV}"never closed,b\nx,y\n`,
    /quote\.csv.*a quotation mark opens here/s,
  ],
  [
    'lines in two encodings',
    'mixed.csv',
    Buffer.concat([Buffer.from(`${CSV}问题一二三,问题\n`), gbk('问题问题,问题问题\n')]),
    /14.*15|lines are GBK: 15/s,
  ],
  [
    'two encodings in JSONL',
    'mixed.jsonl',
    Buffer.concat([
      Buffer.from(`${SOUND}${jsonl([question('问题一二三四'), question('再问一个问题')])}`),
      gbk('{"messages":[{"role":"user","content":"问题"},{"role":"assistant","content":"x"}]}\n'),
    ]),
    /15/,
  ],
  [
    'a cell of ten megabytes',
    'long.csv',
    `${CSV}${'x'.repeat(10_485_760)},b\n`,
    /10485760 characters/,
  ],
  [
    'a line of ten megabytes',
    'long.jsonl',
    `${SOUND}{"messages":[{"role":"user","content":"${'x'.repeat(10_485_760)}"}]}\n`,
    /line 13.*10485\d\d\d (bytes|characters)|10485\d\d\d (bytes|characters).*13/s,
  ],
  ['a NUL byte in JSONL', 'nul.jsonl', SOUND.replace('What is 3', 'What\0is 3'), /\b4\b/],
  [
    'JSON nested 10,000 deep',
    'deep.jsonl',
    `${SOUND}{"messages":${nested(10_000)}}\n`,
    /nested 1000\d deep; at most 500/,
  ],
  [
    'a list with such an element',
    'deep.json',
    `[${CHAT.map((row) => JSON.stringify(row)).join(',')},{"messages":${nested(10_000)}}]`,
    /nested 1000\d deep; at most 500/,
  ],
  ['nothing', 'empty.jsonl', '', /the file is empty/],
  [
    'noise',
    'noise.jsonl',
    Uint8Array.from({ length: 4000 }, (_, i) => (i * 7919 + (i >> 3) * 31) % 256),
    /noise\.jsonl|not UTF-8|line/,
  ],
];

/** Behind the reader of rows the commands are alike: each input meets three of them. */
const TRIALS = INPUTS.flatMap(([what, ...input], i) =>
  ['prepare', OTHERS[i % 4]!, OTHERS[(i + 1 + (i >> 2)) % 4]!].map(
    (command) => [command as Command, what, ...input] as const,
  ),
);
test.each(TRIALS)('%s on %s', async (command, _, name, content, says) => {
  const file = join(root, `${command}-${++folders}`, name);
  mkdirSync(dirname(file));
  writeFileSync(file, content);
  const { code, said, left } = await run(command, file);
  expect({ code, said }).toEqual({ code: 1, said: expect.stringMatching(says) });
  expect(said).not.toMatch(/^\s+at |RangeError|Unexpected error|data\.[a-z]/m);
  expect(left.filter((file) => file !== 'x.html')).toEqual([]);
});

describe.each(ALL)('%s', (command) => {
  test('on links that lead to each other, or nowhere', async () => {
    const folder = mkdtempSync(join(root, 'links-'));
    symlinkSync('b.jsonl', join(folder, 'a.jsonl'));
    symlinkSync('a.jsonl', join(folder, 'b.jsonl'));
    symlinkSync('nothing', join(folder, 'dead.jsonl'));
    const circle = await run(command, join(folder, 'a.jsonl'));
    expect(circle).toMatchObject({
      code: 1,
      said: expect.stringContaining('leads back to itself'),
    });
    const dead = await run(command, join(folder, 'dead.jsonl'));
    expect(dead).toMatchObject({
      code: 1,
      said: expect.stringContaining('a file that is not there'),
    });
    expect((await run(command, join(folder, 'no.jsonl'))).said).toContain('there is no such file');
  });

  test('says it in Chinese too', async () => {
    const locked = await run(command, 'test/fixtures/tables/password.xlsx', '--lang', 'zh');
    expect(locked).toMatchObject({ code: 1, said: expect.stringMatching(/受密码保护.*取消密码/) });
    const file = join(root, `zh-${command}.csv`);
    writeFileSync(file, `${CSV}a,b,c,d\n`);
    const ragged = await run(command, file, '--lang', 'zh');
    expect(ragged).toMatchObject({
      code: 1,
      said: expect.stringMatching(/14.*4 个单元格|4 个单元格.*14/s),
    });
  });
});

test('an output that cannot be written is named, with the reason', async () => {
  const file = join(root, 'sound.jsonl');
  writeFileSync(file, SOUND);
  for (const [command, ...flags] of [
    ['convert', '--to', 'chat'],
    ['transform', '--shuffle'],
  ] as const) {
    const write = (path: string) => runCli(['data', command, file, ...flags, '-o', path]);
    const nowhere = await write(join(root, 'no/such/x.jsonl'));
    expect(nowhere.code).toBe(1);
    expect(nowhere.err).toMatch(/no\/such\/x\.jsonl: its folder does not exist/);
    const folder = await write(root);
    expect(folder.code).toBe(1);
    expect(folder.err).toMatch(/it is a folder/);
  }
});

test('where there is no room for the output or for temporary files, that is said and nothing is left', async () => {
  const file = join(root, 'large.jsonl');
  writeFileSync(file, SOUND.repeat(50));
  const temporary = mkdtempSync(join(root, 'tmp-'));
  const out = mkdtempSync(join(root, 'full-'));
  for (const command of ['convert', 'transform', 'check'] as const) {
    const words = ['data', command, ...COMMANDS[command](file, out)].map((word) => `'${word}'`);
    const fix =
      command === 'check' ? ['--fix', '-q', '--skip-near', '--output', join(out, 'x')] : [];
    const line = `ulimit -f 4; exec '${process.execPath}' src/cli/main.ts ${[...words, ...fix].join(' ')}`;
    const { code, err } = await new Program('bash', ['-c', line], {
      env: { TMPDIR: temporary },
    }).ended();
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/nothing was kept/) });
    expect([readdirSync(out), readdirSync(temporary)]).toEqual([[], []]);
  }
});

test('of several files the one with the fault is named, and only its row is left out', async () => {
  const folder = mkdtempSync(join(root, 'two-'));
  writeFileSync(join(folder, 'a.csv'), CSV);
  writeFileSync(join(folder, 'b.csv'), `${CSV}only one\n`);
  expect((await run('check', folder)).out).toContain(`${join(folder, 'b.csv')}:14`);
  const refused = await run('convert', folder);
  expect(refused.err).toContain(`${join(folder, 'b.csv')}, line 14: the row has 1 cells`);
  writeFileSync(join(folder, 'a.csv'), `${CSV}What is more?,All of it.\n`);
  const { out, err } = await run('convert', folder, '--skip-bad');
  expect(out).toContain('25 of 25 rows');
  expect(err).toContain(`left out line 14: the row has 1 cells`);
});

test('rows that the reader mends are not offered for dropping', async () => {
  const file = join(root, 'short-row.csv');
  writeFileSync(file, `${CSV}What else?\n`);
  const mended = join(root, 'short-row.jsonl');
  const flags = ['--fix', '-q', '--skip-near', '--output', mended];
  const { err } = await run('check', file, ...flags);
  // The cell that was missing is an answer that is empty: that row, and no other.
  expect(err).toContain('1 row(s) have format errors');
  expect(readFileSync(mended, 'utf8').trim().split('\n').length).toBeGreaterThanOrEqual(12);
});
