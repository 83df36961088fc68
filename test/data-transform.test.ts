// tunery data transform: every step, and that a recipe makes the same bytes again.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { restore } from '../src/data/transform/redact.ts';
import { Step } from '../src/data/transform/steps.ts';
import { transformData } from '../src/data/transform/transform-data.ts';
import { script } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-transform-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(rows: readonly unknown[], name = `${++files}.jsonl`): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

const rowsOf = (path: string) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

async function transform(rows: readonly unknown[], steps: readonly object[], seed = 1) {
  const output = join(folder, `out-${++files}.jsonl`);
  const parsed = steps.map((step) => Step.parse(step));
  const result = await transformData({ path: file(rows), output, steps: parsed, seed }, {});
  return { ...result, parts: result.outputs.map(({ path }) => rowsOf(path)) };
}

const pair = (prompt: string, completion: string) => ({ prompt, completion });
const labelled = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).flatMap(([label, count]) =>
    Array.from({ length: count }, (_, i) => ({ text: `${label} ${i}`, label })),
  );

test('repeated prompts are dropped and their lines told', async () => {
  const rows = Array.from({ length: 100 }, (_, i) => pair(`p${i >= 93 ? i - 93 : i}`, ` c${i}`));
  const { parts, steps } = await transform(rows, [{ do: 'dedupe', how: 'exact', by: 'prompt' }]);
  expect(parts[0]).toHaveLength(93);
  expect(steps[0]?.removed_lines).toEqual([94, 95, 96, 97, 98, 99, 100]);
});

test('near copies are dropped', async () => {
  const long = 'The quick brown fox jumps over the lazy dog near the old river bank';
  const rows = [
    pair(long, ' yes'),
    pair(`${long}!`, ' yes'),
    pair('Something else altogether, my friend', ' no'),
  ];
  const { parts } = await transform(rows, [{ do: 'dedupe', how: 'near' }]);
  expect(parts[0]).toEqual([rows[0], rows[2]]);
});

test('personal data is replaced by marks that lead back through a map kept apart', async () => {
  const rows = [
    pair('Mail jane.roe@tunery.dev or 13812345678', ' ok'),
    pair('Again jane.roe@tunery.dev', ' ok'),
  ];
  const { parts, redaction_map: path } = await transform(rows, [{ do: 'redact' }]);
  expect(parts[0]).toEqual([
    pair('Mail [EMAIL_1] or [PHONE_1]', ' ok'),
    pair('Again [EMAIL_1]', ' ok'),
  ]);
  const map = JSON.parse(readFileSync(path!, 'utf8'));
  expect(parts[0]!.map((row) => restore(row.prompt, map))).toEqual(rows.map((row) => row.prompt));
});

test('marks that the text has already are not given out again, and everything can be put back', async () => {
  const rows = [pair('[EMAIL_1] wrote to jane.roe@tunery.dev', ' ok'), pair('x', ' 13812345678')];
  const { parts, redaction_map: map } = await transform(rows, [{ do: 'redact' }]);
  expect(parts[0]![0]).toEqual(pair('[EMAIL_1] wrote to [EMAIL_2]', ' ok'));
  const back = await transform(parts[0]!, [{ do: 'restore', map }]);
  expect(back.parts[0]).toEqual(rows);
  const manifest = JSON.parse(readFileSync(back.manifest, 'utf8'));
  expect(manifest.inputs).toHaveLength(2);
});

test('a learning curve is a file for each share, each part of the next', async () => {
  const rows = labelled({ a: 30, b: 10 });
  const { parts, outputs } = await transform(rows, [{ do: 'curve', shares: [0.25, 0.5, 1] }]);
  expect(outputs.map(({ path }) => path.replace(/^.*_(\d+)\.jsonl$/, '$1'))).toEqual([
    '25',
    '50',
    '100',
  ]);
  const texts = parts.map((part) => new Set(part.map((row) => row.text)));
  expect(texts.map(({ size }) => size)).toEqual([10, 20, 40]);
  expect([...texts[0]!].every((text) => texts[1]!.has(text))).toBe(true);
});

test('an output never takes the place of an input, nor do rows of another form come in', async () => {
  const input = file(labelled({ a: 4 }), 'own.jsonl');
  await expect(
    transformData({ path: input, output: input, steps: [{ do: 'shuffle' }], seed: 1 }, {}),
  ).rejects.toThrow(/written over/);
  const general = file([pair('q', ' a')], 'general.jsonl');
  await expect(
    transform(labelled({ a: 1 }), [{ do: 'mix', path: general, ratio: '1:1', repeat: false }]),
  ).rejects.toThrow(/form completion/);
});

test('copies that a split puts into several parts are counted', async () => {
  const rows = Array.from({ length: 40 }, (_, i) => ({ text: `t${i % 4}`, label: 'a' }));
  const split = { do: 'split', parts: { train: 0.5, test: 0.5 }, how: 'random' };
  const { steps } = await transform(rows, [split]);
  expect(steps[0]!['copies_across_parts']).toBeGreaterThan(0);
});

test.each([
  ["label == 'a'", 3],
  ["label in ('a', 'b') and not (row.text contains '1')", 4],
  ['len(prompt) > 3', 0],
  ["row.text matches '^b [01]$'", 2],
  ['line <= 2 or line == 6', 3],
  ["language(prompt) == 'en'", 0],
])('the filter %s keeps %i rows', async (where, count) => {
  const { parts, steps } = await transform(labelled({ a: 3, b: 3 }), [{ do: 'filter', where }]);
  expect(parts[0]).toHaveLength(count);
  expect(steps[0]).toMatchObject({ rows_before: 6, rows_after: count });
});

test.each([
  ["label = 'a", /character 9/],
  ['colour == 1', /expected one of prompt, answer/],
  ['len(prompt) >', /got the end/],
  ['exec(prompt)', /no function 'exec'/],
])('the filter %s is refused with its fault', async (where, message) => {
  await expect(transform(labelled({ a: 1 }), [{ do: 'filter', where }])).rejects.toThrow(message);
});

test('a stratified split keeps the shares of the labels, without overlap, the same every time', async () => {
  const rows = labelled({ a: 700, b: 250, c: 50 });
  const split = { do: 'split', parts: { train: 0.8, valid: 0.1, test: 0.1 }, how: 'stratified' };
  const one = await transform(rows, [split], 5);
  expect(one.parts.map((part) => part.length)).toEqual([800, 100, 100]);
  for (const part of one.parts)
    for (const [label, share] of [
      ['a', 0.7],
      ['b', 0.25],
      ['c', 0.05],
    ] as const)
      expect(
        Math.abs(part.filter((row) => row.label === label).length / part.length - share),
      ).toBeLessThanOrEqual(0.01);
  const texts = one.parts.flat().map((row) => row.text);
  expect(new Set(texts).size).toBe(1000);
  expect((await transform(rows, [split], 5)).outputs.map(({ sha256 }) => sha256)).toEqual(
    one.outputs.map(({ sha256 }) => sha256),
  );
  expect((await transform(rows, [split], 6)).outputs[0]?.sha256).not.toBe(one.outputs[0]?.sha256);
});

test('a split by group keeps groups whole, one by time puts the newest last', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => ({
    text: `t${i}`,
    label: 'x',
    who: i % 12,
    at: `2024-01-${String(31 - (i % 30)).padStart(2, '0')}`,
  }));
  const parts = { train: 0.75, test: 0.25 };
  const group = await transform(rows, [{ do: 'split', parts, how: 'group', by: 'row.who' }]);
  const [train, held] = group.parts.map((part) => new Set(part.map((row) => row.who)));
  expect([...train!].filter((who) => held!.has(who))).toEqual([]);
  expect(held!.size).toBe(3);
  const time = await transform(rows, [{ do: 'split', parts, how: 'time', by: 'row.at' }]);
  const days = time.parts.map((part) => part.map((row) => row.at).toSorted());
  expect(days[0]!.at(-1)! <= days[1]![0]!).toBe(true);
});

test('classes are evened out either way', async () => {
  const rows = labelled({ a: 90, b: 10 });
  const count = (part: { label: string }[], label: string) =>
    part.filter((row) => row.label === label).length;
  const [under] = (await transform(rows, [{ do: 'balance', how: 'under' }])).parts;
  expect([count(under!, 'a'), count(under!, 'b')]).toEqual([10, 10]);
  const [over] = (await transform(rows, [{ do: 'balance', how: 'over' }])).parts;
  expect([count(over!, 'a'), count(over!, 'b')]).toEqual([90, 90]);
});

test('smaller samples are part of larger ones', async () => {
  const rows = labelled({ a: 200 });
  const draw = async (share: number) =>
    (await transform(rows, [{ do: 'sample', share }], 9)).parts[0]!.map((row) => row.text);
  const [quarter, half] = [await draw(0.25), await draw(0.5)];
  expect([quarter.length, half.length]).toEqual([50, 100]);
  expect(quarter.filter((text) => !half.includes(text))).toEqual([]);
});

test('a general set is mixed in at the ratio that is asked for', async () => {
  const general = file(labelled({ g: 300 }));
  const own = labelled({ a: 40 });
  const { parts, steps } = await transform(own, [{ do: 'mix', path: general, ratio: '1:5' }]);
  expect(parts[0]!.filter((row) => row.label === 'g')).toHaveLength(200);
  expect(steps[0]).toMatchObject({ own: 40, general: 200 });
  expect(parts[0]!.slice(0, 40).some((row) => row.label === 'g')).toBe(true);
  await expect(transform(own, [{ do: 'mix', path: general, ratio: '1:9' }])).rejects.toThrow(
    /needs 360 general rows/,
  );
  const repeated = await transform(own, [{ do: 'mix', path: general, ratio: '1:9', repeat: true }]);
  expect(repeated.parts[0]).toHaveLength(400);
});

test('separators are put on once, and refused where a prompt holds them', async () => {
  const step = { do: 'separator', separator: ' ->', stop: ' END' };
  const { parts } = await transform([pair('a', 'x'), pair('b ->', ' y END')], [step]);
  expect(parts[0]).toEqual([pair('a ->', ' x END'), pair('b ->', ' y END')]);
  await expect(transform([pair('a -> b', 'x')], [step])).rejects.toThrow(/holds " ->" inside/);
});

test('a common beginning is stripped, examples are put in front, lengths are bucketed', async () => {
  const rows = Array.from({ length: 6 }, (_, i) =>
    pair(`Classify the item: thing ${'x'.repeat(i)}`, ` c${i}`),
  );
  const stripped = await transform(rows, [{ do: 'strip-prefix' }]);
  expect(stripped.steps[0]).toMatchObject({ prefix: 'Classify the item: thing ' });
  const chats = rows.map(({ prompt, completion }) => ({
    messages: [
      { role: 'user', content: prompt },
      { role: 'assistant', content: completion },
    ],
  }));
  const { parts: shots } = await transform(chats, [{ do: 'few-shot', shots: 2 }]);
  expect(
    shots[0]![0].messages.map((m: { role: string; weight?: number }) => [m.role, m.weight]),
  ).toEqual([
    ['user', undefined],
    ['assistant', 0],
    ['user', undefined],
    ['assistant', 0],
    ['user', undefined],
    ['assistant', undefined],
  ]);
  const input = chats[1]!.messages.slice(0, 1);
  const better = [{ role: 'assistant', content: 'a' }];
  const { parts: pairs } = await transform(
    [{ input: { messages: input }, preferred_output: better, non_preferred_output: better }],
    [{ do: 'strip-prefix', prefix: 'Classify the item: ' }],
  );
  expect(pairs[0]![0].input.messages[0].content).toBe('thing x');
  const { parts: buckets } = await transform(rows, [{ do: 'bucket', rows: 2 }]);
  const lengths = buckets[0]!.map((row) => row.prompt.length);
  expect(Math.abs(lengths[0]! - lengths[1]!)).toBe(1);
});

test('the command writes a manifest, and the manifest makes the same bytes again', async () => {
  const input = file(labelled({ a: 30, b: 30 }), 'in.jsonl');
  const output = join(folder, 'made.jsonl');
  const flags = [
    '--shuffle',
    '--split',
    '80/10/10',
    '--split-how',
    'stratified',
    '--seed',
    '3',
    '-o',
    output,
  ];
  expect((await script('tunery', ['data', 'transform', input, ...flags]).ended()).code).toBe(0);
  const before = readFileSync(join(folder, 'made_train.jsonl'));
  const manifest = `${output}.manifest.json`;
  const again = await script('tunery', ['data', 'transform', '--recipe', manifest]).ended();
  expect(again).toMatchObject({
    code: 0,
    err: expect.stringContaining('the same bytes as before'),
  });
  expect(readFileSync(join(folder, 'made_train.jsonl'))).toEqual(before);
  const stray = await script('tunery', [
    'data',
    'transform',
    '--recipe',
    manifest,
    '--shuffle',
  ]).ended();
  expect(stray).toMatchObject({ code: 2, err: expect.stringContaining('--shuffle') });
  writeFileSync(input, '{"text":"new","label":"a"}\n');
  const changed = await script('tunery', ['data', 'transform', '--recipe', manifest]).ended();
  expect(changed).toMatchObject({ code: 1, err: expect.stringContaining('has changed since') });
});
