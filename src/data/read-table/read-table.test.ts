import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import * as XLSX from '@e965/xlsx';
import { afterAll, expect, test } from 'vitest';
import { readTable, type TableOptions } from './read-table.ts';
import type { TableSource } from './source.ts';
import { TableError } from './table.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-table-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(source: TableSource, options?: TableOptions) {
  const table = await readTable(source, options);
  const rows: unknown[][] = [];
  const problems: string[] = [];
  for await (const item of table.items) {
    if (item.kind === 'row') rows.push([item.line, ...Object.values(item.values)]);
    else problems.push(`${item.line} ${item.key}`);
  }
  await table.close();
  return { ...table, rows, problems, encoding: table.encoding?.label };
}

function file(name: string, content: string | Uint8Array): TableSource {
  const path = join(folder, name);
  writeFileSync(path, content);
  return { path };
}

const CHINESE = 'prompt,completion\r\n你好吗,很好\r\n再见了,"再见, 朋友"\r\n';
const ROWS = [
  [2, '你好吗', '很好'],
  [3, '再见了', '再见, 朋友'],
];
// The same two rows as GBK; Node can decode it, not encode it.
const GBK = Buffer.from(
  'prompt,completion\r\n\xc4\xe3\xba\xc3\xc2\xf0,\xba\xdc\xba\xc3\r\n' +
    '\xd4\xd9\xbc\xfb\xc1\xcb,"\xd4\xd9\xbc\xfb, \xc5\xf3\xd3\xd1"\r\n',
  'latin1',
);
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

test.each([
  ['UTF-8', Buffer.from(CHINESE), 'utf-8'],
  ['UTF-8 with a mark', Buffer.from(`\ufeff${CHINESE}`), 'utf-8'],
  ['GBK', GBK, 'gb18030'],
  ['UTF-16', Buffer.from(`\ufeff${CHINESE}`, 'utf16le'), 'utf-16le'],
  ['UTF-16 without a mark', Buffer.from(CHINESE, 'utf16le'), 'utf-16le'],
  ['UTF-16 of the other order', utf16be(`\ufeff${CHINESE}`), 'utf-16be'],
  ['UTF-16 of the other order without a mark', utf16be(CHINESE), 'utf-16be'],
])('%s is recognized', async (name, bytes, label) => {
  const { rows, encoding, problems } = await read(file(`${name}.csv`, bytes));
  expect({ rows, encoding, problems }).toEqual({ rows: ROWS, encoding: label, problems: [] });
});

test('what is given overrides what would be found', async () => {
  const { rows } = await read(file('big5.csv', Buffer.from('a,b\n\xa7\x41,\xa6\x6e\n', 'latin1')), {
    encoding: 'big5',
  });
  expect(rows).toEqual([[2, '你', '好']]);
});

test('Latin text is a guess, not Chinese', async () => {
  const bytes = Buffer.from('prompt,completion\ncafé,thé\nnaïve,élève à Paris\n', 'latin1');
  const { rows, encoding } = await read(file('latin.csv', bytes));
  expect(encoding).toBe('windows-1252');
  expect(rows[1]).toEqual([3, 'naïve', 'élève à Paris']);
});

test('a file in two encodings is read line by line, and says so', async () => {
  const both = Buffer.concat([Buffer.from(CHINESE), GBK.subarray(19)]);
  const { rows, problems, encoding } = await read(file('both.csv', both));
  expect(encoding).toBe('mixed');
  expect(rows.map((row) => row.slice(1))).toEqual([...ROWS, ...ROWS].map((row) => row.slice(1)));
  expect(problems).toEqual(['4 data.mixed_encodings']);
});

test('a character that a chunk cuts in two stays whole', async () => {
  const text = `prompt,completion\n${'好'.repeat(300_000)},x\n`;
  async function* bytewise() {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 65_537) yield bytes.subarray(at, at + 65_537);
  }
  const { rows, problems } = await read({ stream: bytewise(), name: 'stdin' });
  expect(problems).toEqual([]);
  expect(String(rows[0]![1]).length).toBe(300_000);
});

test.each([
  ['semicolons', 'a;b\n1,5;2\n', [[2, '1,5', '2']]],
  ['tabs in a CSV', 'a\tb\n1\t2\n', [[2, '1', '2']]],
  [
    'carriage returns alone',
    'a,b\r1,2\r3,4\r',
    [
      [2, '1', '2'],
      [3, '3', '4'],
    ],
  ],
  [
    'cells of several lines',
    'a,b\n"1\n\n2",3\n4,5\n',
    [
      [2, '1\n\n2', '3'],
      [5, '4', '5'],
    ],
  ],
  [
    'blank lines',
    'a,b\n\n1,2\n\n\n3,4',
    [
      [3, '1', '2'],
      [6, '3', '4'],
    ],
  ],
  ['doubled quotes', 'a,b\n"say ""hi""",x\n', [[2, 'say "hi"', 'x']]],
  ['quotes inside a plain cell', 'a,b\n5" pipe,x\n', [[2, '5" pipe', 'x']]],
  ['a column twice', 'a,a\n1,2\n', [[2, '1', '2']]],
])('CSV with %s', async (name, text, rows) => {
  expect((await read(file(`${name}.csv`, text))).rows).toEqual(rows);
});

test.each([
  [
    'a list',
    '[{"a":1},\n{"a":2}]',
    [
      [1, 1],
      [2, 2],
    ],
  ],
  [
    'objects over several lines',
    '{\n"a":1\n}\n{\n"a":2\n}\n',
    [
      [1, 1],
      [4, 2],
    ],
  ],
  [
    'lines',
    '{"a":1}\n\n{"a":2}\n',
    [
      [1, 1],
      [3, 2],
    ],
  ],
  [
    'numbered columns',
    '{"a":{"0":1,"1":2}}',
    [
      [0, 1],
      [0, 2],
    ],
  ],
  [
    'columns',
    '{"a":[1,2]}',
    [
      [0, 1],
      [0, 2],
    ],
  ],
  [
    'a list under a name',
    '{"version":3,"data":[{"a":1},{"a":2}]}',
    [
      [0, 1],
      [0, 2],
    ],
  ],
  [
    'brackets and quotes inside strings',
    '[{"a":"]}\\"["},{"a":"\\\\"}]',
    [
      [1, ']}"['],
      [1, '\\'],
    ],
  ],
])('JSON as %s, whatever the name says', async (_, text, rows) => {
  for (const name of ['x.json', 'x.jsonl', 'x.csv', 'x'])
    expect((await read(file(name, text))).rows).toEqual(rows);
});

test('broken JSON is reported with line and column, and reading goes on', async () => {
  const text = '{"a":1}\n{"a":}\n{"a":2},\n{"a":3\n"word"\n{"a":4}\n';
  const { rows, problems } = await read(file('broken.jsonl', text));
  expect(rows.map(([line]) => line)).toEqual([1, 3, 6]);
  expect(problems).toEqual([
    '2 data.not_json',
    '3 data.comma',
    '4 data.truncated',
    '5 data.wrong_type',
  ]);
});

test('the same bytes packed, and from a stream', async () => {
  const { rows } = await read(file('packed.csv.gz', gzipSync(CHINESE)));
  expect(rows).toEqual(ROWS);
  const stream = Readable.from([gzipSync(CHINESE)]);
  expect((await read({ stream, name: 'stdin' })).rows).toEqual(ROWS);
});

test.each(['xlsx', 'biff8', 'ods'] as const)(
  'a workbook as %s, any of its sheets',
  async (bookType) => {
    const book = XLSX.utils.book_new();
    XLSX.utils.book_append_sheet(book, XLSX.utils.json_to_sheet([{ a: 'x', b: 1.5 }]), 'one');
    XLSX.utils.book_append_sheet(book, XLSX.utils.json_to_sheet([{ 问: '好', 答: true }]), '二');
    const bytes = new Uint8Array(XLSX.write(book, { type: 'array', bookType }) as ArrayBuffer);
    const source = file(`book.${bookType === 'biff8' ? 'xls' : bookType}`, bytes);
    expect((await read(source)).rows).toEqual([[2, 'x', 1.5]]);
    expect((await read(source, { sheet: '二' })).rows).toEqual([[2, '好', true]]);
    expect((await read(source, { sheet: '2' })).columns).toEqual(['问', '答']);
    await expect(readTable(source, { sheet: 'three' })).rejects.toMatchObject({
      problem: { key: 'data.no_sheet', params: { known: 'one, 二' } },
    });
  },
);

test('Parquet keeps nested values; whole numbers are numbers', async () => {
  const chat = await read({ path: 'test/fixtures/prepare/chat.parquet' });
  expect(chat.rows.length).toBe(24);
  expect(chat.rows[23]).toEqual([
    24,
    [
      { role: 'user', content: '问23' },
      { role: 'assistant', content: '答23' },
    ],
    23,
  ]);
  const pairs = await read({ path: 'test/fixtures/prepare/pairs.parquet' });
  expect(pairs.columns).toEqual(['prompt', 'completion']);
  expect(pairs.rows[20]).toEqual([21, '20 to 407, why', 'answer 第20']);
});

test('what is no table at all is an error that says so', async () => {
  const code = (source: TableSource) =>
    readTable(source).then(
      () => 'read',
      (error: unknown) => (error instanceof TableError ? error.problem.key : error),
    );
  expect(await code({ path: join(folder, 'nowhere') })).toBe('data.no_file');
  expect(await code(file('empty.csv', ''))).toBe('data.empty_table');
  expect(await code(file('x.pdf', '%PDF-1.7 …'))).toBe('data.no_table_format');
  expect(await code(file('x.parquet', 'PAR1 and nothing else'))).toBe('data.damaged_parquet');
  expect(await code(file('cut.gz', gzipSync(CHINESE.repeat(99)).subarray(0, 60)))).toBe(
    'data.damaged_archive',
  );
});
