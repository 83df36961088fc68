// What a legacy fine-tune asks of the trainer, with the trainer itself on the tiny model.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadTrainableModel, type TrainableModel } from '../../train/model.ts';
import { readPeftAdapter } from '../../weights/adapter.ts';
import { openModel } from '../../weights/model-file.ts';
import { LINEAR_LAYERS, TrainRequest, type WorkerMessage } from '../protocol.ts';
import { prepare } from './prepare.ts';
import { train } from './train.ts';

const BASE = 'assets/models/stories260K.gguf';
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-legacy-'));
});
afterEach(() => rm(directory, { recursive: true }));

type Pair = { readonly prompt: string; readonly completion: string };

async function write(name: string, rows: readonly object[]): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

async function run(
  rows: readonly object[],
  legacy: object,
  { valid, ...fields }: { valid?: readonly object[]; hyperparameters?: object } = {},
): Promise<WorkerMessage[]> {
  const request = TrainRequest.parse({
    jobId: 'ft-1',
    directory,
    baseModel: BASE,
    trainingFile: await write('training.jsonl', rows),
    validationFile: valid === undefined ? null : await write('validation.jsonl', valid),
    startAdapter: null,
    seed: 1,
    hyperparameters: { n_epochs: 1, batch_size: 256 },
    options: { threads: 1, precision: 'f32', warmup_ratio: 0 },
    legacy: { prompt_loss_weight: 0.01, classification: null, ...legacy },
    ...fields,
  });
  const messages: WorkerMessage[] = [];
  for await (const message of prepare(request)) messages.push(message);
  if (messages.at(-1)?.type === 'planned')
    for await (const message of train(request, new AbortController().signal))
      messages.push(message);
  return messages;
}

const stepsOf = (messages: readonly WorkerMessage[]) =>
  messages.flatMap((message) =>
    message.type === 'step' && message.metrics.step > 0 ? [message.metrics] : [],
  );

async function onBase<T>(body: (model: TrainableModel, encode: Encode) => Promise<T>): Promise<T> {
  const file = await openModel(BASE);
  const tokenizer = await file.tokenizer();
  const adapter = { rank: 1, alpha: 1, targets: ['q_proj'], rankStabilized: false };
  const rest = { precision: 'f32', threads: 1, seed: 0 } as const;
  const model = await loadTrainableModel(file, { ...adapter, ...rest });
  const encode = (text: string) => [tokenizer.bosId!, ...tokenizer.encode(text, { special: true })];
  try {
    return await body(model, encode);
  } finally {
    await model.close();
    await file.close();
  }
}
type Encode = (text: string) => number[];

const story = (i: number): Pair => ({
  prompt: `Tim saw ${i} things ->`,
  completion: ' red balls in the park. END',
});

test.each([0, 0.01, 0.1, 1])(
  'prompt_loss_weight %d: the loss is the mean in which a prompt token counts that much',
  async (weight) => {
    const rows = Array.from({ length: 5 }, (_, i) => story(i));
    const [first] = stepsOf(await run(rows, { prompt_loss_weight: weight }));
    await onBase(async (model, encode) => {
      let [sum, total, right, answers] = [0, 0, 0, 0];
      for (const { prompt, completion } of rows) {
        const ids = Int32Array.from(encode(prompt + completion));
        const start = encode(prompt).length;
        expect([...ids.slice(0, start)]).toEqual(encode(prompt));
        const logProbs = await model.logProbs({ ids, weights: new Float32Array(ids.length) });
        for (const [i, logProb] of logProbs.entries()) {
          const own = i + 1 < start ? weight : 1;
          sum -= own * logProb;
          total += own;
          if (i + 1 < start) continue;
          const logits = await model.nextLogits(ids.subarray(0, i + 1));
          right += Number(logits.indexOf(Math.max(...logits)) === ids[i + 1]);
          answers += 1;
        }
      }
      expect(first!.trainLoss).toBeCloseTo(sum / total, 4);
      // Accuracy is about the completion, whatever the prompt weighs.
      expect(first!.trainAccuracy).toBeCloseTo(right / answers, 6);
    });
  },
);

test('elapsed tokens and examples count repeats, and whole answers that are right are counted', async () => {
  const rows = Array.from({ length: 5 }, (_, i) => story(i));
  const hyperparameters = { n_epochs: 30, batch_size: 2, learning_rate_multiplier: 0.1 };
  const messages = await run(rows, {}, { hyperparameters, valid: rows });
  const steps = stepsOf(messages);
  const tokens = await onBase(async (_, encode) =>
    rows.reduce((sum, { prompt, completion }) => sum + encode(prompt + completion).length, 0),
  );
  expect(steps.map(({ legacy }) => legacy!.elapsedExamples).slice(0, 7)).toEqual([
    2, 4, 5, 7, 9, 10, 12,
  ]);
  expect(steps[2]!.legacy!.elapsedTokens).toBe(tokens);
  expect(steps.at(-1)!.legacy!.elapsedTokens).toBe(30 * tokens);
  expect(steps[0]!.legacy!.trainSequenceAccuracy).toBe(0);
  expect(steps.at(-1)!.legacy).toMatchObject({
    trainSequenceAccuracy: 1,
    validSequenceAccuracy: 1,
    classification: null,
  });
});

const review = (i: number, label: string, kind: string): Pair => ({
  prompt: `The ${kind} was here ${i}.\n\n###\n\n`,
  completion: label,
});

test.each([
  ['', 0],
  [' END', 0],
])('class probabilities are those of the model as trained (label end %j)', async (end) => {
  const rows = Array.from({ length: 12 }, (_, i) =>
    review(i, `${i % 3 === 0 ? ' a' : ' b'}${end}`, i % 4 < 2 ? 'dog' : 'cat'),
  );
  const messages = await run(
    rows,
    {
      classification: { n_classes: null, positive_class: ` a${end}`, betas: [0.5] },
    },
    { valid: rows, hyperparameters: { n_epochs: 2, batch_size: 4 } },
  );
  const [found] = stepsOf(messages).slice(-1);
  const scores = await onTrained(async (model, encode) => {
    const scored: { positive: boolean; score: number }[] = [];
    for (const { prompt, completion } of rows) {
      const odds = [];
      for (const label of [' a', ' b']) {
        const ids = Int32Array.from(encode(`${prompt}${label}${end}`));
        const logProbs = await model.logProbs({ ids, weights: new Float32Array(ids.length) });
        const at = encode(prompt + label).length - 2; // the label's last token
        odds.push(Math.exp(logProbs[at]!));
      }
      scored.push({ positive: completion === ` a${end}`, score: odds[0]! / (odds[0]! + odds[1]!) });
    }
    return scored;
  });
  const claims = scores.filter(({ score }) => score > 0.5);
  const right = scores.filter(({ positive, score }) => positive === score > 0.5).length;
  let wins = 0;
  for (const a of scores.filter(({ positive }) => positive))
    for (const b of scores.filter(({ positive }) => !positive)) wins += Number(a.score > b.score);
  expect(found!.legacy!.classification).toMatchObject({
    'classification/accuracy': expect.closeTo(right / rows.length, 9),
    'classification/recall': expect.closeTo(
      claims.filter(({ positive }) => positive).length / 4,
      9,
    ),
    'classification/auroc': expect.closeTo(wins / (4 * 8), 9),
    'classification/f0.5': expect.any(Number),
  });
  // Only where an epoch ends.
  expect(stepsOf(messages).map(({ legacy }) => legacy!.classification !== null)).toEqual([
    false,
    false,
    true,
    false,
    false,
    true,
  ]);
});

async function onTrained<T>(body: Parameters<typeof onBase<T>>[0]): Promise<T> {
  const file = await openModel(BASE);
  const tokenizer = await file.tokenizer();
  const start = await readPeftAdapter(join(directory, 'result', 'adapter'));
  const { rank, alpha, rankStabilized } = start;
  const rest = { targets: LINEAR_LAYERS, precision: 'f32', threads: 1, seed: 0, start } as const;
  const model = await loadTrainableModel(file, { rank, alpha, rankStabilized, ...rest });
  try {
    return await body(model, (text) => [
      tokenizer.bosId!,
      ...tokenizer.encode(text, { special: true }),
    ]);
  } finally {
    await model.close();
    await file.close();
  }
}

const classes = (labels: readonly string[]) =>
  Array.from({ length: 6 }, (_, i) => review(i, labels[i % labels.length]!, 'dog'));

test.each([
  [
    'labels of several tokens',
    classes([' positive', ' negative']),
    { n_classes: 2, positive_class: ' positive' },
    'invalid_compute_classification_metrics',
    /" positive", " negative".*short labels/,
  ],
  [
    'another number of classes',
    classes([' a', ' b']),
    { n_classes: 3, positive_class: null },
    'invalid_classification_n_classes',
    /2 class\(es\), but classification_n_classes is 3.*" a", " b"/,
  ],
  [
    'three classes with a positive one',
    classes([' a', ' b', ' c']),
    { n_classes: null, positive_class: ' a' },
    'invalid_classification_n_classes',
    /3 class\(es\), but a positive class is for two/,
  ],
  [
    'a positive class that no row has',
    classes([' a', ' b']),
    { n_classes: null, positive_class: 'a' },
    'invalid_classification_positive_class',
    /is "a", but the completions are: " a", " b".*with the space/,
  ],
])('%s are refused by name', async (_, rows, classification, code, message) => {
  const messages = await run(
    rows,
    { classification: { betas: [], ...classification } },
    { valid: rows },
  );
  expect(messages).toMatchObject([{ type: 'fail', code, message: expect.stringMatching(message) }]);
});

test('chat rows are refused, two pairs are enough', async () => {
  const chat = { messages: [{ role: 'assistant', content: 'Hi' }] };
  expect(await run([chat, chat], {})).toMatchObject([
    {
      code: 'invalid_training_file',
      message: expect.stringMatching(/Line 1 has chat messages.*prompt/),
    },
  ]);
  expect((await run([story(1), story(2)], {})).at(-1)).toMatchObject({ type: 'done' });
});

test('what is left to the server follows the rules of that service', async () => {
  const rows = Array.from({ length: 12 }, (_, i) => story(i));
  const planned = async (hyperparameters: object) => {
    const messages = await run(rows, {}, { hyperparameters });
    const message = messages.find(({ type }) => type === 'planned');
    if (message?.type !== 'planned') throw new Error(JSON.stringify(messages.at(-1)));
    return message.plan;
  };
  const usual = await planned({});
  expect(usual.hyperparameters).toEqual({
    n_epochs: 4,
    batch_size: 1,
    learning_rate_multiplier: 0.05,
  });
  const quick = { n_epochs: 1, batch_size: 12, learning_rate_multiplier: 0.2 };
  expect((await planned(quick)).learningRate).toBeCloseTo(4 * usual.learningRate, 9);
});
