// A job's child that trains nothing but keeps to the protocol: steps, checkpoints, resuming, crashes.
// What it does is written in the training file, one JSON object (see `Script`).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Plan, type StepMetrics, TrainRequest, type WorkerMessage } from '../jobs/protocol.ts';
import { connectParent } from '../lib/child.ts';
import { lockDirectory } from '../lib/directory-lock.ts';

export type Script = {
  readonly steps?: number;
  readonly msPerStep?: number;
  /** Dies at this step, each time or the first time only. */
  readonly crashAt?: number;
  readonly crashAlways?: boolean;
  readonly cut?: Plan['cut'];
  readonly fail?: string;
  /** Goes on when its parent is gone, for as long as this. */
  readonly stubbornMs?: number;
};

const parent = connectParent<never, WorkerMessage>(() => {
  throw new Error('no messages expected');
});
const [kind, path] = process.argv.slice(2);
const lock = lockDirectory(dirname(path!));
if (lock.heldBy !== null) process.exit(1);
const request = TrainRequest.parse(JSON.parse(readFileSync(path!, 'utf8')));
const script: Script = JSON.parse(readFileSync(request.trainingFile, 'utf8'));
const {
  steps = 6,
  msPerStep = 5,
  crashAt,
  crashAlways = false,
  cut = [],
  fail,
  stubbornMs,
} = script;
if (stubbornMs !== undefined) {
  process.removeAllListeners('disconnect');
  process.on('disconnect', () => setTimeout(() => process.exit(0), stubbornMs));
}
writeFileSync(join(request.directory, `${kind}.pid`), String(process.pid));
if (kind === 'prepare') await prepare();
else await train();
process.exit(0);

async function prepare(): Promise<void> {
  if (fail !== undefined) {
    const message = 'The training file is bad.';
    await parent.send({ type: 'fail', code: fail, message, param: 'training_file' });
    return;
  }
  const { n_epochs } = request.hyperparameters;
  const plan: Plan = {
    format: 'chat',
    trainRows: 10,
    validRows: 0,
    tokensPerEpoch: 100,
    targetTokensPerEpoch: 50,
    hyperparameters: {
      n_epochs: n_epochs === 'auto' ? 2 : n_epochs,
      batch_size: 1,
      learning_rate_multiplier: 1,
    },
    learningRate: 1e-3,
    precision: 'f32',
    threads: 1,
    contextLength: 64,
    totalSteps: steps,
    trainedTokens: 200,
    memoryBytes: 2 ** 20,
    estimatedSeconds: 1,
    cut,
  };
  await parent.send({ type: 'planned', plan });
  await parent.send({ type: 'done' });
}

async function train(): Promise<void> {
  const checkpoint = join(request.directory, 'checkpoints', 'step');
  mkdirSync(dirname(checkpoint), { recursive: true });
  let done = existsSync(checkpoint) ? Number(readFileSync(checkpoint, 'utf8')) : 0;
  process.once('SIGTERM', () => {
    writeFileSync(checkpoint, String(done));
    process.exit(143);
  });
  const crashed = join(request.directory, 'crashed');
  // What was said while the server did not listen is told again, as the real worker does.
  for (let step = 1; step <= done; step++) await parent.send(stepMessage(step));
  while (done < steps) {
    await sleep(msPerStep);
    const step = done + 1;
    if (step === crashAt && (crashAlways || !existsSync(crashed))) {
      writeFileSync(crashed, '');
      process.kill(process.pid, 'SIGKILL');
      await sleep(1000);
    }
    await parent.send(stepMessage(step));
    done = step;
    if (step % 2 === 0) writeFileSync(checkpoint, String(step));
    if (step === steps / 2) {
      await parent.send({ type: 'checkpoint', metrics: metrics(step), ...adapter('half') });
    }
  }
  await parent.send({
    type: 'trained',
    ...adapter('result'),
    trainedTokens: 200,
    validLossBefore: null,
    validLossAfter: null,
    parity: [{ ids: [1, 2, 3], logProbs: [-1, -2] }],
  });
  await parent.send({ type: 'done' });
}

function adapter(name: string) {
  const folder = join(request.directory, name);
  mkdirSync(join(folder, 'adapter'), { recursive: true });
  writeFileSync(join(folder, 'adapter.gguf'), name);
  return { adapter: join(folder, 'adapter'), ggufAdapter: join(folder, 'adapter.gguf') };
}

function metrics(step: number): StepMetrics {
  return {
    step,
    trainLoss: 1 / step,
    trainAccuracy: 0.5,
    validLoss: null,
    validAccuracy: null,
    fullValidLoss: null,
    fullValidAccuracy: null,
  };
}

function stepMessage(step: number): WorkerMessage {
  return {
    type: 'step',
    metrics: metrics(step),
    totalSteps: steps,
    epoch: 1,
    learningRate: 1e-3,
    gradNorm: 1,
    targetTokensPerSecond: 100,
    secondsLeft: (steps - step) * (msPerStep / 1000),
  };
}
