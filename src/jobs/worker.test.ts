import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Child, entryBeside } from '../lib/child.ts';
import { TrainRequest, WorkerMessage, type WorkKind } from './protocol.ts';

const baseModel = resolve(import.meta.dirname, '../../assets/models/stories260K.gguf');
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

const lines = (count: number, from: number) =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `What is number ${from + i}?` },
        { role: 'assistant', content: `A small story about ${from + i} birds.` },
      ],
    }),
  ).join('\n');

async function newJob(changes: Partial<TrainRequest> = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'tunery-worker-'));
  folders.push(directory);
  const [trainingFile, validationFile] = [join(directory, 'train'), join(directory, 'valid')];
  await writeFile(trainingFile, lines(12, 1));
  await writeFile(validationFile, lines(10, 50));
  const request = TrainRequest.parse({
    ...{ jobId: 'ftjob-test', directory, baseModel, trainingFile, validationFile },
    startAdapter: null,
    seed: 3,
    hyperparameters: { n_epochs: 2, batch_size: 3 },
    options: { rank: 4, threads: 1, checkpoint_seconds: 0.001 },
    ...changes,
  });
  await writeFile(join(directory, 'request.json'), JSON.stringify(request));
  return directory;
}

/** `stop` is asked after every message; true kills the worker as a power cut would. */
async function run(kind: WorkKind, directory: string, stop = (_: WorkerMessage) => false) {
  const messages: WorkerMessage[] = [];
  const child = new Child<never, WorkerMessage>(entryBeside(import.meta.url, 'worker'), {
    args: [kind, join(directory, 'request.json')],
    parse: (raw) => WorkerMessage.parse(raw),
  });
  child.onMessage((message) => {
    messages.push(message);
    if (stop(message)) child.kill('SIGKILL');
  });
  const exit = await child.exited;
  return { messages, exit };
}

const stepsOf = (messages: readonly WorkerMessage[]) =>
  new Map(
    messages.flatMap((m) => (m.type === 'step' ? [[m.metrics.step, m.metrics] as const] : [])),
  );

async function resultOf(directory: string) {
  const result = join(directory, 'result');
  const names = (await readdir(result, { recursive: true })).sort();
  const files = names.filter((name) => /\.(gguf|json|safetensors)$/.test(name));
  const contents = files.map((name) => readFile(join(result, name), 'base64'));
  return [names, await Promise.all(contents)];
}

test('a job killed again and again ends with the bytes of an undisturbed one', async () => {
  const undisturbed = await newJob();
  const prepared = await run('prepare', undisturbed);
  expect(prepared.messages.map(({ type }) => type).slice(-2)).toEqual(['planned', 'done']);
  const expected = await run('train', undisturbed);
  expect(expected.exit).toMatchObject({ code: 0 });
  expect(expected.messages.slice(-2)).toMatchObject([{ type: 'trained' }, { type: 'done' }]);
  const steps = stepsOf(expected.messages);
  expect([...steps.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(steps.get(8)!.fullValidLoss).toBeLessThan(steps.get(0)!.fullValidLoss!);

  const killed = await newJob();
  await run('prepare', killed);
  for (const stopAt of [0, 1, 3, 4, 6, 8]) {
    const { messages, exit } = await run(
      'train',
      killed,
      (message) => message.type === 'step' && message.metrics.step >= stopAt,
    );
    expect(exit.signal).toBe('SIGKILL');
    for (const [step, metrics] of stepsOf(messages)) expect(metrics).toEqual(steps.get(step));
  }
  const last = await run('train', killed);
  expect(last.exit).toMatchObject({ code: 0 });
  expect(stepsOf(last.messages)).toEqual(steps);
  const trained = (messages: readonly WorkerMessage[]) =>
    messages.flatMap((m) =>
      m.type === 'trained' ? [[m.parity, m.validLossBefore, m.validLossAfter]] : [],
    );
  expect(trained(last.messages)).toEqual(trained(expected.messages));
  expect(await resultOf(killed)).toEqual(await resultOf(undisturbed));
});

test('a missing base model and a learning rate beyond reason end with a code and advice', async () => {
  const diverging = await newJob({
    options: TrainRequest.shape.options.parse({ learning_rate: 1e30, threads: 1, warmup_ratio: 0 }),
  });
  await run('prepare', diverging);
  const { messages, exit } = await run('train', diverging);
  expect(messages.at(-1)).toMatchObject({ type: 'fail', code: 'training_diverged' });
  expect(exit).toMatchObject({ code: 0 });

  const request = JSON.parse(await readFile(join(diverging, 'request.json'), 'utf8'));
  request.baseModel = join(diverging, 'gone.gguf');
  await writeFile(join(diverging, 'request.json'), JSON.stringify(request));
  const missing = await run('train', diverging);
  expect(missing.messages).toMatchObject([{ type: 'fail', code: 'base_model_missing' }]);
});

test('a request that is none is an internal error without a stack', async () => {
  const directory = await newJob();
  await writeFile(join(directory, 'request.json'), '{"jobId": 1}');
  const { messages, exit } = await run('train', directory);
  expect(messages).toMatchObject([{ type: 'fail', code: 'internal' }]);
  expect(JSON.stringify(messages)).not.toContain('    at ');
  expect(exit.code).toBe(1);
});
