import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Row } from '../../data/row.ts';
import { randomStream, shuffled } from '../../lib/random.ts';
import { noSums, type Sums } from '../../train/loss.ts';
import type { TrainableModel } from '../../train/model.ts';
import { type Plan, TrainRequest, type WorkerMessage } from '../protocol.ts';
import { type Outcome, type Run, trainingRun } from './training-run.ts';

const EPOCHS = 3;
const BATCH = 4;
const STEPS_PER_EPOCH = 6; // the last batch of an epoch has two rows
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function newFolder() {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-run-'));
  folders.push(folder);
  return folder;
}

const rows: Row[] = Array.from({ length: 22 }, (_, i) => ({
  ids: Int32Array.of(1, i, i * 7),
  weights: Float32Array.of(0, 1, (i % 3) / 2),
}));

/** The loss of a target t is ½|p − t·direction|²: a bowl whose bottom depends on all rows. */
function bowl(): TrainableModel & { readonly seen: number[] } {
  const params = new Map([
    ['a', Float32Array.of(3, -2, 0.5)],
    ['b', Float32Array.of(1)],
  ]);
  const grads = new Map([...params].map(([name, { length }]) => [name, new Float32Array(length)]));
  const seen: number[] = [];
  const visit = (batch: readonly Row[], learn: boolean): Sums => {
    const sums = noSums();
    for (const { ids, weights } of batch)
      for (let t = 1; t < ids.length; t++) {
        const w = weights[t]!;
        for (const [name, p] of params)
          p.forEach((value, i) => {
            const off = value - Math.sin(ids[t]! * (i + 1));
            sums.loss += (w * off * off) / 2;
            if (learn) grads.get(name)![i]! += w * off;
          });
        sums.weight += w;
        sums.targets += w > 0 ? 1 : 0;
      }
    return sums;
  };
  return {
    params,
    grads,
    seen,
    shapes: new Map(),
    zeroGrads: () => {
      for (const g of grads.values()) g.fill(0);
    },
    accumulate: async (batch) => {
      seen.push(...batch.map((row) => row.ids[1]!));
      return visit(batch, true);
    },
    evaluate: async (batch) => visit(batch, false),
    logProbs: async () => new Float32Array(2),
    nextLogits: async () => new Float32Array(2),
    close: async () => {},
  };
}

function runIn(directory: string, options: Partial<TrainRequest['options']> = {}) {
  const model = bowl();
  const request = TrainRequest.parse({
    jobId: 'ftjob-test',
    directory,
    baseModel: 'none.gguf',
    trainingFile: 'train.jsonl',
    validationFile: 'valid.jsonl',
    startAdapter: null,
    seed: 7,
    hyperparameters: {},
    options: { checkpoint_seconds: 2.5, warmup_ratio: 0.2, ...options },
  });
  const plan: Plan = {
    format: 'chat',
    trainRows: rows.length,
    validRows: 5,
    tokensPerEpoch: 66,
    targetTokensPerEpoch: 36,
    hyperparameters: { n_epochs: EPOCHS, batch_size: BATCH, learning_rate_multiplier: 1 },
    learningRate: 0.1,
    precision: 'f32',
    threads: 1,
    contextLength: 16,
    totalSteps: EPOCHS * STEPS_PER_EPOCH,
    trainedTokens: 198,
    memoryBytes: 0,
    estimatedSeconds: 1,
    cut: [],
  };
  let now = 0;
  const run: Run = {
    request,
    plan,
    model,
    trainRows: rows,
    validRows: rows.slice(0, 5),
    order: (epoch) =>
      shuffled([...rows.keys()], randomStream(request.seed, `shuffle/epoch ${epoch}`)),
    writeAdapter: async (folder) => ({ adapter: folder, ggufAdapter: `${folder}.gguf` }),
    clock: { now: () => (now += 400) }, // two readings a step and one for the checkpoint
  };
  return { run, model };
}

type Step = Extract<WorkerMessage, { type: 'step' }>;

/** Reads messages until `until` messages came; a reader that leaves is what a crash looks like. */
async function follow(run: Run, until = Infinity, signal = new AbortController().signal) {
  const messages: WorkerMessage[] = [];
  const generator = trainingRun(run, signal);
  let outcome: Outcome | null = null;
  while (messages.length < until) {
    const next = await generator.next();
    if (next.done) {
      outcome = next.value;
      break;
    }
    messages.push(next.value);
  }
  const steps = new Map<number, Step['metrics']>();
  for (const message of messages)
    if (message.type === 'step') steps.set(message.metrics.step, message.metrics);
  return { messages, steps, outcome };
}

const bits = (model: TrainableModel) =>
  [...model.params].map(([name, values]) => [name, ...new Uint32Array(values.buffer)]);

test('the loop goes down into the bowl, sees every row once an epoch, and measures as documented', async () => {
  const { run, model } = runIn(await newFolder());
  const { messages, steps, outcome } = await follow(run);
  expect([...steps.keys()]).toEqual([...Array(19).keys()]);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const seen = model.seen.slice(epoch * rows.length, (epoch + 1) * rows.length);
    expect(seen.sort((a, b) => a - b)).toEqual([...rows.keys()]);
  }
  expect(outcome!.validLossBefore).toBe(steps.get(0)!.fullValidLoss);
  expect(outcome!.validLossAfter).toBe(steps.get(18)!.fullValidLoss);
  expect(outcome!.validLossAfter).toBeLessThan(outcome!.validLossBefore! / 2);
  const at = (key: 'validLoss' | 'fullValidLoss') =>
    [...steps.values()].filter((metrics) => metrics[key] !== null).map(({ step }) => step);
  expect(at('validLoss')).toEqual([6, 10, 12, 18]);
  expect(at('fullValidLoss')).toEqual([0, 6, 12, 18]);
  const epochs = messages.filter(({ type }) => type === 'checkpoint');
  expect(epochs).toMatchObject([6, 12, 18].map((step) => ({ metrics: { step } })));
  const last = messages.findLast((message): message is Step => message.type === 'step')!;
  expect(last.secondsLeft).toBe(0);
  expect(last.targetTokensPerSecond).toBeGreaterThan(0);
});

test('wherever a run breaks off, it ends with the same bits and never tells a step differently', async () => {
  const undisturbed = runIn(await newFolder());
  const expected = await follow(undisturbed.run);
  for (const cut of [1, 3, 5, 8, 13, 17, 20, 22]) {
    const directory = await newFolder();
    const before = await follow(runIn(directory).run, cut);
    const again = await follow(runIn(directory).run, cut); // and a second time, soon after
    const { run, model } = runIn(directory);
    const { steps, outcome } = await follow(run);
    expect(bits(model)).toEqual(bits(undisturbed.model));
    expect(outcome).toEqual(expected.outcome);
    expect(steps).toEqual(expected.steps);
    for (const part of [before, again])
      for (const [step, metrics] of part.steps) expect(metrics).toEqual(expected.steps.get(step));
  }
});

test('a damaged newest checkpoint is named, and the one before is used', async () => {
  const expected = runIn(await newFolder());
  await follow(expected.run);
  for (const damage of ['flip', 'remove', 'manifest'] as const) {
    const directory = await newFolder();
    await follow(runIn(directory).run, 12);
    const folder = join(directory, 'checkpoints');
    const [older, newest] = (await readdir(folder)).sort(
      (a, b) => Number(a.slice(5)) - Number(b.slice(5)),
    );
    await cp(join(folder, older!), join(folder, '.step-99.partial'), { recursive: true });
    const path = join(folder, newest!, damage === 'manifest' ? 'manifest.json' : 'm.safetensors');
    const bytes = await readFile(path);
    bytes[bytes.length - 3]! ^= 1;
    if (damage === 'remove') await rm(path);
    else await writeFile(path, bytes);
    const { run, model } = runIn(directory);
    const { messages } = await follow(run);
    expect(messages[0]).toMatchObject({ type: 'note', level: 'warn' });
    expect(JSON.stringify(messages[0])).toContain(`step ${newest!.slice(5)} `);
    expect(JSON.stringify(messages)).toContain(`from the checkpoint of step ${older!.slice(5)}/`);
    expect(bits(model)).toEqual(bits(expected.model));
    const kept = (await readdir(folder)).sort();
    expect(kept).toEqual([expect.stringMatching(/^step-1\d$/), 'step-18']);
  }
});

test('a checkpoint made with other settings is not gone on from', async () => {
  const directory = await newFolder();
  await follow(runIn(directory).run, 12);
  const { messages, steps } = await follow(runIn(directory, { weight_decay: 0.1 }).run);
  expect(messages[0]).toMatchObject({ type: 'note', level: 'warn' });
  expect(steps.get(0)).toBeDefined();
  expect(messages.filter(({ type }) => type === 'step')).toHaveLength(19);
});

test('each epoch tells the order of its rows, and no two are alike', async () => {
  const { messages } = await follow(runIn(await newFolder()).run);
  const orders = messages.flatMap((item) =>
    item.type === 'note' && item.message.startsWith('Epoch ') ? [item.message] : [],
  );
  expect(orders.map((text) => /^Epoch (\d\/\d): rows in the order \d+, /.exec(text)?.[1])).toEqual(
    orders.map((_, i) => `${i + 1}/${orders.length}`),
  );
  expect(orders.length).toBeGreaterThan(1);
  expect(new Set(orders.map((text) => /all of it: (\w+)/.exec(text)?.[1])).size).toBe(
    orders.length,
  );
});

test('an abort ends the run after the step in progress, with a checkpoint', async () => {
  const directory = await newFolder();
  const stop = new AbortController();
  const generator = trainingRun(runIn(directory, { checkpoint_seconds: 1e9 }).run, stop.signal);
  for (;;) {
    const { value } = await generator.next();
    if (value !== undefined && 'type' in value && value.type === 'step' && value.metrics.step === 3)
      break;
  }
  stop.abort();
  await expect(generator.next()).rejects.toThrow('abort');
  expect(await readdir(join(directory, 'checkpoints'))).toEqual(['step-3']);
  const { messages } = await follow(runIn(directory).run);
  expect(JSON.stringify(messages)).toContain('from the checkpoint of step 3/18');
});

test('a loss that is not a number ends the run with the step and before the update', async () => {
  const { run, model } = runIn(await newFolder());
  const accumulate = model.accumulate;
  let calls = 0;
  const broken: Run = {
    ...run,
    model: {
      ...model,
      accumulate: async (batch) => {
        const sums = await accumulate(batch);
        calls += 1;
        return calls === 5 ? { ...sums, loss: Number.NaN } : sums;
      },
    },
  };
  await expect(follow(broken)).rejects.toMatchObject({ step: 5 });
  expect(bits(model).flat()).not.toContain(0x7fc00000);
});
