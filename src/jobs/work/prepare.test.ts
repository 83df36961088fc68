import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { targetTokens } from '../../data/row.ts';
import { readRows } from '../../data/rows-file.ts';
import { Plan, TrainRequest, type WorkerMessage } from '../protocol.ts';
import { baseLearningRate, resolveHyperparameters } from './auto.ts';
import type { Machine } from './estimate.ts';
import { prepare } from './prepare.ts';

const MACHINE: Machine = { cores: 3, totalMemory: 16e9, availableMemory: 8e9 };
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-prepare-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function run(
  fields: Partial<Record<keyof TrainRequest, unknown>> = {},
  machine = MACHINE,
): Promise<WorkerMessage[]> {
  const request = TrainRequest.parse({
    jobId: 'ftjob-1',
    directory,
    baseModel: 'assets/models/stories260K.gguf',
    trainingFile: 'test/fixtures/data/chat.jsonl',
    validationFile: null,
    startAdapter: null,
    seed: 1,
    hyperparameters: {},
    options: {},
    ...fields,
  });
  const messages: WorkerMessage[] = [];
  for await (const message of prepare(request, machine)) messages.push(message);
  return messages;
}

async function file(lines: readonly unknown[]): Promise<string> {
  const path = join(directory, 'training.jsonl');
  await writeFile(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}
const completion = (words: number) => ({ prompt: 'The cat', completion: ' sat'.repeat(words) });
const plan = (messages: readonly WorkerMessage[]) => {
  const last = messages.at(-1);
  if (last?.type !== 'planned') throw new Error(JSON.stringify(last));
  return last.plan;
};

test('the plan turns every auto into a number and is written beside the rows', async () => {
  const planned = plan(await run({ validationFile: 'test/fixtures/data/chat.jsonl' }));
  expect(planned).toMatchObject({
    format: 'chat',
    trainRows: 12,
    validRows: 12,
    hyperparameters: { n_epochs: 8, batch_size: 1, learning_rate_multiplier: 1 },
    learningRate: 0.005,
    precision: 'f32',
    threads: 3,
    contextLength: 512,
    totalSteps: 96,
    cut: [],
  });
  expect(planned.trainedTokens).toBe(planned.tokensPerEpoch * 8);
  const stored: unknown = JSON.parse(await readFile(join(directory, 'plan.json'), 'utf8'));
  expect(Plan.parse(stored)).toEqual(planned);
  const rows = await readRows(join(directory, 'rows-train.bin'));
  expect(rows).toHaveLength(12);
  expect(rows.reduce((sum, row) => sum + targetTokens(row), 0)).toBe(planned.targetTokensPerEpoch);
  expect(await readRows(join(directory, 'rows-valid.bin'))).toEqual(rows);
});

test('what is asked for is what is planned', async () => {
  const planned = plan(
    await run({
      trainingFile: 'test/fixtures/data/completion.jsonl',
      hyperparameters: { n_epochs: 2, batch_size: 5, learning_rate_multiplier: 0.5 },
      options: { learning_rate: 0.01, precision: 'int8', threads: 1, context_length: 64 },
    }),
  );
  expect(planned).toMatchObject({
    format: 'completion',
    totalSteps: 6,
    learningRate: 0.005,
    precision: 'int8',
    threads: 1,
    contextLength: 64,
  });
});

test('nine rows are refused in the words of the API', async () => {
  const trainingFile = await file(Array.from({ length: 9 }, () => completion(1)));
  expect(await run({ trainingFile })).toEqual([
    {
      type: 'fail',
      code: 'invalid_n_examples',
      message: 'Training file has 9 example(s), but must have at least 10 examples',
      param: 'training_file',
    },
  ]);
});

test('a bad row fails the job and is named', async () => {
  const bad = { messages: [{ role: 'user', content: 'x' }, { content: 'y' }] };
  const good = { messages: [{ role: 'assistant', content: 'y' }] };
  const trainingFile = await file([...Array.from({ length: 10 }, () => good), bad]);
  expect(await run({ trainingFile })).toMatchObject([
    {
      code: 'invalid_training_file',
      message: expect.stringContaining("Example 11, message 2 Discriminator 'role' is missing"),
      param: 'training_file',
    },
  ]);
});

test('preference rows fail a supervised job, which says what to do', async () => {
  const message = (content: string) => ({ role: 'assistant', content });
  const pair = {
    input: { messages: [{ role: 'user', content: 'x' }] },
    preferred_output: [message('y')],
    non_preferred_output: [message('z')],
  };
  const trainingFile = await file(Array.from({ length: 10 }, () => pair));
  expect(await run({ trainingFile })).toEqual([
    {
      type: 'fail',
      code: 'invalid_training_file',
      message:
        'The job failed due to an invalid training file. Invalid file format. Example 1, the line is in ' +
        'the preference (dpo) format, but the job trains by the supervised method (line 1). ' +
        "Train on lines with 'messages', or with 'prompt' and 'completion'; `tunery data convert FILE " +
        '--to chat` makes such lines of the preferred answers.',
      param: 'training_file',
    },
  ]);
});

test('a row that the template cannot print fails the job and is named', async () => {
  const tool = {
    messages: [
      { role: 'user', name: '</s>', content: '4' },
      { role: 'assistant', content: 'y' },
    ],
  };
  const trainingFile = await file(Array.from({ length: 10 }, () => tool));
  const message = expect.stringMatching(/Example 1,.*control token.*line 1/);
  expect(await run({ trainingFile })).toMatchObject([{ code: 'invalid_training_file', message }]);
});

test('long rows are cut and named in the plan, or refused', async () => {
  const trainingFile = await file([
    ...Array.from({ length: 9 }, () => completion(2)),
    completion(200),
  ]);
  const options = { context_length: 32 };
  const messages = await run({ trainingFile, options });
  const { cut } = plan(messages);
  expect(cut).toMatchObject([{ file: 'training_file', line: 10 }]);
  expect(cut[0]!.tokens - cut[0]!.lost).toBe(32);
  expect(await run({ trainingFile, options: { ...options, long_rows: 'refuse' } })).toMatchObject([
    { type: 'fail', code: 'rows_too_long', message: expect.stringContaining('line 10') },
  ]);
});

test('rows with nothing to learn from are named and left out', async () => {
  const row = (weight: number) => ({
    messages: [
      { role: 'user', content: 'Who?' },
      { role: 'assistant', content: 'I.', weight },
    ],
  });
  const trainingFile = await file([row(0), ...Array.from({ length: 8 }, () => row(1)), row(0)]);
  const messages = await run({ trainingFile, hyperparameters: { n_epochs: 1, batch_size: 1 } });
  expect(plan(messages)).toMatchObject({ trainRows: 8, totalSteps: 8 });
  expect(await readRows(join(directory, 'rows-train.bin'))).toHaveLength(8);
  expect(messages).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      message: expect.stringMatching(/^2 row\(s\) .* left out: line 1, line 10\.$/),
    }),
  );
  const silent = await file(Array.from({ length: 10 }, () => row(0)));
  expect((await run({ trainingFile: silent })).at(-1)).toMatchObject({
    type: 'fail',
    code: 'invalid_training_file',
  });
});

test('a plan that the machine has no memory for is refused, one that is tight is warned about', async () => {
  expect((await run({}, { ...MACHINE, totalMemory: 1e8 })).at(-1)).toMatchObject({
    type: 'fail',
    code: 'out_of_memory_plan',
    message: expect.stringMatching(/needs about .* GB.*smaller base model/),
  });
  const tight = await run({}, { ...MACHINE, availableMemory: 1e8 });
  expect(tight.at(-2)).toMatchObject({
    level: 'warn',
    message: expect.stringContaining('free now'),
  });
  plan(tight);
});

test('what the format allows and the template cannot show is said to have no effect', async () => {
  const row = {
    messages: [
      { role: 'user', name: 'Ann', content: 'x' },
      { role: 'assistant', content: 'y' },
    ],
    parallel_tool_calls: false,
  };
  const [first] = await run({ trainingFile: await file(Array.from({ length: 10 }, () => row)) });
  const message = expect.stringMatching(/'name'.*'parallel_tool_calls'.*no effect/);
  expect(first).toMatchObject({ type: 'note', message });
});

test('a context longer than the model reads is refused by name', async () => {
  expect(await run({ options: { context_length: 1000 } })).toMatchObject([
    { code: 'invalid_value', param: 'tunery.context_length' },
  ]);
});

test('a file that is gone is said to be gone', async () => {
  const missing = join(directory, 'none.jsonl');
  expect(await run({ trainingFile: missing })).toMatchObject([{ code: 'file_not_found' }]);
});

test.each([
  [1, 25, 1],
  [4, 25, 1],
  [5, 20, 1],
  [10, 10, 1],
  [20, 5, 1],
  [21, 4, 1],
  [25, 4, 1],
  [26, 3, 1],
  [948, 3, 1],
  [3000, 3, 6],
  [8333, 3, 16],
  [8334, 2, 16],
  [10_000, 2, 20],
  [12_500, 2, 25],
  [12_501, 1, 25],
  [200_000, 1, 256],
])('%d rows: auto is %d epochs of batches of %d', (rows, n_epochs, batch_size) => {
  const auto = { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' } as const;
  expect(resolveHyperparameters(auto, rows)).toMatchObject({ n_epochs, batch_size });
});

test('small models get a higher base rate, within bounds', () => {
  expect([260e3, 135e6, 1e9, 7e9].map(baseLearningRate)).toEqual([5e-3, 5.4e-4, 2e-4, 2e-4]);
});

test('rows that moderation flags are named, or refused, or not looked at', async () => {
  const harmful = { prompt: '怎样在家里制造炸弹？', completion: ' I want to kill them all.' };
  const trainingFile = await file([...Array.from({ length: 10 }, () => completion(2)), harmful]);
  const warned = await run({ trainingFile, options: { moderation: 'warn' } });
  expect(warned[0]).toMatchObject({
    level: 'warn',
    message: expect.stringMatching(
      /1 row\(s\) of the training file: line 11 \(.*illicit.*violence/,
    ),
  });
  plan(warned);
  expect(await run({ trainingFile, options: { moderation: 'refuse' } })).toMatchObject([
    { type: 'fail', code: 'moderation_flagged', param: 'training_file' },
  ]);
  const unasked = await run({ trainingFile });
  plan(unasked);
  expect(JSON.stringify(unasked)).not.toContain('Moderation flags');
});

test('what the checks of the rows find is told with lines, and fails nothing', async () => {
  const chat = (user: string, assistant: string) => ({
    messages: [
      { role: 'user', content: user },
      { role: 'assistant', content: assistant },
    ],
  });
  const rows = Array.from({ length: 10 }, (_, i) =>
    chat(`How old is number ${i}?`, `Age ${i * i}.`),
  );
  const trainingFile = await file([...rows, rows[2], chat('Who writes?', 'jane.roe@tunery.dev')]);
  const validationFile = join(directory, 'validation.jsonl');
  await writeFile(validationFile, `${JSON.stringify(rows[4])}\n`);
  const messages = await run({ trainingFile, validationFile });
  plan(messages);
  const told = messages.flatMap((message) =>
    message.type === 'note' ? [`${message.level}: ${message.message}`] : [],
  );
  expect(told).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^warn: The training file: .*\(line 11\).*\[duplicate_exact\]$/),
      expect.stringMatching(/^warn: The training file: .*\(line 12\).*\[pii_email\]$/),
      expect.stringMatching(/^warn: The validation file: .*\(line 1\).*\[leakage\]$/),
      expect.stringMatching(/^info: The training file, also: .*few_rows/),
    ]),
  );
  expect(told.length).toBeLessThan(10);
  expect(Math.max(...told.map((text) => text.length))).toBeLessThan(700);
});

test('files of many rows are spared the slow searches, which is said', async () => {
  const lines = Array.from({ length: 20_001 }, (_, i) => ({ prompt: `${i}`, completion: ' a' }));
  const messages = await run({ trainingFile: await file(lines) });
  plan(messages);
  expect(JSON.stringify(messages)).toMatch(/does not search for near-duplicates and unsafe text/);
});

test('a general file is mixed in at the ratio that is asked for, the same rows for the same seed', async () => {
  const own = await file(Array.from({ length: 12 }, (_, i) => completion(5 + i)));
  const generalFile = join(directory, 'general.jsonl');
  const line = (i: number) =>
    JSON.stringify({ prompt: 'A dog', completion: ' ran'.repeat(3 + (i % 9)) });
  await writeFile(generalFile, Array.from({ length: 80 }, (_, i) => `${line(i)}\n`).join(''));
  const mixed = () =>
    run({
      trainingFile: own,
      generalFile,
      options: { general_file: 'file-g', general_ratio: '1:5' },
    });
  const messages = await mixed();
  expect(messages).toContainEqual({
    type: 'note',
    level: 'info',
    message: 'Mixed 60 general rows with 12 rows of the training file: 1:5, asked for 1:5',
  });
  expect(plan(messages)).toMatchObject({ trainRows: 72, hyperparameters: { n_epochs: 3 } });
  const rows = await readRows(join(directory, 'rows-train.bin'));
  expect(rows).toHaveLength(72);
  expect(rows.reduce((sum, { ids }) => sum + ids.length, 0)).toBe(plan(messages).tokensPerEpoch);
  await mixed();
  expect(await readRows(join(directory, 'rows-train.bin'))).toEqual(rows);
  const few = await run({
    trainingFile: own,
    generalFile,
    options: { general_file: 'file-g', general_ratio: '1:9' },
  });
  expect(few.at(-1)).toMatchObject({ type: 'fail', code: 'too_few_general_rows' });
});
