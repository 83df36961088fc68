// One training run from its newest checkpoint to the end: steps, validation, checkpoints, and the
// messages about them. Knows rows and a trainable model; files of models are its caller's.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { Row } from '../../data/row.ts';
import type { Clock } from '../../lib/clock.ts';
import { say } from '../../messages/say.ts';
import { type AdamWState, adamWState } from '../../optim/adamw.ts';
import { schedule, warmupUpdates } from '../../optim/schedule.ts';
import { newestCheckpoint, writeCheckpoint } from '../../train/checkpoint-dir.ts';
import type { TrainableModel } from '../../train/model.ts';
import { type StepRecord, train } from '../../train/trainer.ts';
import { measure, smallBatch, validatesAt } from '../../train/validation.ts';
import type { Plan, StepMetrics, TrainRequest, WorkerMessage } from '../protocol.ts';
import { Journal } from './journal.ts';
import { legacyMeter } from './legacy-metrics.ts';

export type Run = {
  readonly request: TrainRequest;
  readonly plan: Plan;
  readonly model: TrainableModel;
  readonly trainRows: readonly Row[];
  /** Empty without a validation file. */
  readonly validRows: readonly Row[];
  /** Row numbers of an epoch, counted from 0, in the order of training. */
  readonly order: (epoch: number) => ArrayLike<number>;
  /** Writes the adapter as it is now into a folder, for serving and export. */
  readonly writeAdapter: (folder: string) => Promise<AdapterPaths>;
  readonly clock: Clock;
};
export type AdapterPaths = { readonly adapter: string; readonly ggufAdapter: string };

/** Losses on the whole validation file; null without one. */
const Outcome = z.strictObject({
  validLossBefore: z.number().nullable(),
  validLossAfter: z.number().nullable(),
});
export type Outcome = z.infer<typeof Outcome>;

/** Leaves the model as it is after the last step. When `signal` aborts, it writes a checkpoint after
 *  the step in progress and throws the signal's reason. */
export async function* trainingRun(
  run: Run,
  signal: AbortSignal,
): AsyncGenerator<WorkerMessage, Outcome> {
  const { request, plan, model, clock } = run;
  const {
    checkpoint_seconds,
    weight_decay: weightDecay,
    max_grad_norm: maxGradNorm,
  } = request.options;
  const stepsPerEpoch = Math.ceil(run.trainRows.length / plan.hyperparameters.batch_size);
  if (stepsPerEpoch * plan.hyperparameters.n_epochs !== plan.totalSteps)
    throw new Error(
      `the plan has ${plan.totalSteps} steps, its rows make ${stepsPerEpoch} an epoch`,
    );
  const { optimizer, journal, save, ...start } = yield* startOrResume(run, signal);
  let outcome = start.outcome;
  let saved = clock.now();
  const pace = paceFrom(clock, plan.totalSteps);
  const batches = batchesFrom(run, optimizer.step, stepsPerEpoch);
  const legacy = legacyMeter(run, stepsPerEpoch);
  const options = { rate: rateOf(request, plan), weightDecay, maxGradNorm, clock };
  if (optimizer.step % stepsPerEpoch === 0) yield* orderOf(run, optimizer.step / stepsPerEpoch);
  for await (const record of train(model, batches, optimizer, options)) {
    const { step } = record;
    const metrics = await metricsOf(run, record, stepsPerEpoch, legacy);
    const epoch = Math.ceil(step / stepsPerEpoch);
    yield journal.add(stepMessage(metrics, record, plan.totalSteps, epoch, pace(record)));
    const epochEnds = step % stepsPerEpoch === 0;
    if (epochEnds) {
      outcome = { ...outcome, validLossAfter: metrics.fullValidLoss };
      const folder = join(request.directory, 'checkpoints-out', `step-${step}`);
      yield journal.add({ type: 'checkpoint', metrics, ...(await run.writeAdapter(folder)) });
    }
    if (epochEnds || signal.aborted || clock.now() - saved >= checkpoint_seconds * 1000) {
      await save(outcome);
      saved = clock.now();
    }
    signal.throwIfAborted();
    if (epochEnds) yield* orderOf(run, epoch);
  }
  return outcome;
}

type Start = {
  readonly optimizer: AdamWState;
  readonly journal: Journal;
  readonly outcome: Outcome;
  readonly save: (outcome: Outcome) => Promise<void>;
};

async function* startOrResume(run: Run, signal: AbortSignal): AsyncGenerator<WorkerMessage, Start> {
  const { model, plan, request } = run;
  const folder = join(request.directory, 'checkpoints');
  const identity = identityOf(run);
  const { checkpoint, notes } = await newestCheckpoint(folder, identity);
  for (const message of notes) yield { type: 'note', level: 'warn', message };
  const optimizer = checkpoint?.optimizer ?? adamWState(model.params);
  const journal = await Journal.open(
    join(request.directory, 'steps.jsonl'),
    checkpoint && optimizer.step,
  );
  const save = async (record: Outcome) => {
    await journal.flush();
    await writeCheckpoint(folder, { run: identity, params: model.params, optimizer, record });
  };
  if (checkpoint) {
    for (const [name, values] of model.params) values.set(checkpoint.params.get(name)!);
    // What was told shortly before the interruption may not have been heard.
    yield* journal.kept;
    if (journal.lastStep !== optimizer.step)
      yield {
        type: 'note',
        level: 'warn',
        message: `The records of steps ${journal.lastStep + 1} to ${optimizer.step} are damaged; training is not affected.`,
      };
    const message = `Training goes on from the checkpoint of step ${optimizer.step}/${plan.totalSteps}.`;
    yield { type: 'note', level: 'info', message };
    return { optimizer, journal, save, outcome: Outcome.parse(checkpoint.record) };
  }
  signal.throwIfAborted();
  if (run.validRows.length === 0)
    return { optimizer, journal, save, outcome: { validLossBefore: null, validLossAfter: null } };
  const before = await beforeTraining(run);
  yield journal.add(before);
  const { fullValidLoss } = before.metrics;
  return {
    optimizer,
    journal,
    save,
    outcome: { validLossBefore: fullValidLoss, validLossAfter: fullValidLoss },
  };
}

const TOLD_ROWS = 10;

/** Which rows an epoch begins with, counted from 1, and a digest of the whole order, to tell two apart.
 *  The events of a legacy fine-tune are word by word those of the old service. */
function* orderOf({ request, plan, order }: Run, epoch: number): Generator<WorkerMessage> {
  const { n_epochs: epochs } = plan.hyperparameters;
  if (request.legacy !== null || epoch >= epochs) return;
  const numbers = Array.from(order(epoch), (row) => row + 1);
  const first = numbers.slice(0, TOLD_ROWS).join(', ');
  const message = say('event.order', {
    epoch: epoch + 1,
    epochs,
    list: numbers.length > TOLD_ROWS ? `${first} …` : first,
    digest: createHash('sha256').update(numbers.join()).digest('hex').slice(0, 8),
  });
  yield { type: 'note', level: 'info', message };
}

/** Settings that decide what the steps compute. A checkpoint of others must not be gone on from. */
function identityOf({ request, plan, model, trainRows, validRows }: Run): string {
  const { checkpoint_seconds: _, ...options } = request.options;
  const { hyperparameters, learningRate, precision, threads, totalSteps, contextLength } = plan;
  const hash = createHash('sha256');
  hash.update(JSON.stringify([options, request.seed, request.startAdapter !== null]));
  if (request.legacy !== null) hash.update(JSON.stringify(request.legacy));
  hash.update(
    JSON.stringify([hyperparameters, learningRate, precision, threads, totalSteps, contextLength]),
  );
  for (const [name, { length }] of model.params) hash.update(`${name} ${length}\n`);
  for (const rows of [trainRows, validRows])
    for (const { ids, weights } of rows) hash.update(ids).update(weights);
  return hash.digest('hex');
}

const rateOf = ({ options }: TrainRequest, { learningRate, totalSteps }: Plan) =>
  schedule({
    name: options.schedule,
    peak: learningRate,
    warmup: warmupUpdates(options.warmup_ratio, totalSteps),
    total: totalSteps,
  });

/** The last batch of an epoch holds what is left. */
function* batchesFrom(run: Run, step: number, stepsPerEpoch: number): Generator<Row[]> {
  const { trainRows, plan, order } = run;
  const { batch_size } = plan.hyperparameters;
  for (
    let epoch = Math.floor(step / stepsPerEpoch);
    epoch < plan.hyperparameters.n_epochs;
    epoch++
  ) {
    const numbers = Array.from(order(epoch));
    const first = epoch * stepsPerEpoch;
    for (let batch = Math.max(0, step - first); batch < stepsPerEpoch; batch++)
      yield numbers
        .slice(batch * batch_size, (batch + 1) * batch_size)
        .map((number) => trainRows[number]!);
  }
}

/** Step 0: the whole validation file, and the rows of the first step, before anything is learned. */
async function beforeTraining(run: Run) {
  const { model, plan, validRows } = run;
  const [firstBatch = []] = batchesFrom(run, 0, 1);
  const [train, full] = [await measure(model, firstBatch), await measure(model, validRows)];
  return {
    type: 'step' as const,
    metrics: {
      step: 0,
      trainLoss: train?.loss ?? 0,
      trainAccuracy: train?.accuracy ?? 0,
      validLoss: null,
      validAccuracy: null,
      fullValidLoss: full?.loss ?? null,
      fullValidAccuracy: full?.accuracy ?? null,
    },
    totalSteps: plan.totalSteps,
    epoch: 0,
    learningRate: 0,
    gradNorm: 0,
    targetTokensPerSecond: 0,
    secondsLeft: plan.estimatedSeconds,
  };
}

async function metricsOf(
  { model, plan, validRows }: Run,
  record: StepRecord,
  stepsPerEpoch: number,
  legacy: ReturnType<typeof legacyMeter>,
): Promise<StepMetrics> {
  const { step, loss, accuracy } = record;
  const validates = validRows.length > 0 && validatesAt(step, plan.totalSteps, stepsPerEpoch);
  const rows = smallBatch(validRows, step, plan.hyperparameters.batch_size);
  const small = validates ? await measure(model, rows) : null;
  const full = validates && step % stepsPerEpoch === 0 ? await measure(model, validRows) : null;
  return {
    step,
    trainLoss: loss,
    trainAccuracy: accuracy,
    validLoss: small?.loss ?? null,
    validAccuracy: small?.accuracy ?? null,
    fullValidLoss: full?.loss ?? null,
    fullValidAccuracy: full?.accuracy ?? null,
    ...(legacy && { legacy: await legacy(record, full ?? small) }),
  };
}

type Pace = { readonly targetTokensPerSecond: number; readonly secondsLeft: number };

/** Speed of each step; the time left follows from the mean of this process, validation included. */
function paceFrom(clock: Clock, totalSteps: number) {
  const start = clock.now();
  let steps = 0;
  return ({ step, targets, seconds }: StepRecord): Pace => {
    steps += 1;
    const secondsPerStep = (clock.now() - start) / 1000 / steps;
    return {
      targetTokensPerSecond: seconds > 0 ? targets / seconds : 0,
      secondsLeft: (totalSteps - step) * secondsPerStep,
    };
  };
}

const stepMessage = (
  metrics: StepMetrics,
  { learningRate, gradNorm }: StepRecord,
  totalSteps: number,
  epoch: number,
  pace: Pace,
) => ({ type: 'step' as const, metrics, totalSteps, epoch, learningRate, gradNorm, ...pace });
