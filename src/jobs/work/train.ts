// The second half of a job: trains what `prepare` has planned and writes the adapter.
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { epochOrder } from '../../data/order.ts';
import { type Row, withPromptWeight } from '../../data/row.ts';
import { readRows } from '../../data/rows-file.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { say } from '../../messages/say.ts';
import { loadTrainableModel, type TrainableModel } from '../../train/model.ts';
import {
  type Adapter,
  checkAdapterFits,
  readPeftAdapter,
  writeGgufAdapter,
  writePeftAdapter,
} from '../../weights/adapter.ts';
import { type ModelFile, openModel } from '../../weights/model-file.ts';
import { Plan, type TrainRequest, type WorkerMessage } from '../protocol.ts';
import { PLAN_FILE, TRAIN_ROWS_FILE, VALID_ROWS_FILE } from './prepare.ts';
import { trainingFailure } from './train-failure.ts';
import { type AdapterPaths, trainingRun } from './training-run.ts';

/** Starts, or goes on from the newest checkpoint in `request.directory`. Ends with `trained` and
 *  `done`, or with `fail`; throws the reason of `signal` when that stops it. The adapter of the last
 *  step is the result; those of earlier epochs stay under `checkpoints-out`. */
export async function* train(
  request: TrainRequest,
  signal: AbortSignal,
  clock: Clock = systemClock,
): AsyncGenerator<WorkerMessage> {
  try {
    if (!existsSync(request.baseModel)) throw baseModelMissing(request.baseModel);
    const file = await openModel(request.baseModel);
    try {
      yield* trainOn(file, request, signal, clock);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (signal.aborted) throw error;
    yield trainingFailure(error, request);
  }
}

async function* trainOn(
  file: ModelFile,
  request: TrainRequest,
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<WorkerMessage> {
  const rowsAt = (name: string) => readRows(join(request.directory, name));
  const plan = Plan.parse(JSON.parse(await readFile(join(request.directory, PLAN_FILE), 'utf8')));
  const weigh = (rows: readonly Row[]) =>
    request.legacy === null ? rows : withPromptWeight(rows, request.legacy.prompt_loss_weight);
  const trainRows = weigh(await rowsAt(TRAIN_ROWS_FILE));
  const validRows = request.validationFile === null ? [] : weigh(await rowsAt(VALID_ROWS_FILE));
  const { shape, start, changed } = await adapterShape(file, request);
  if (changed) {
    const message = say('event.keeps_adapter', { adapter: changed });
    yield { type: 'note', level: 'warn', message };
  }
  const opened = clock.now();
  const model = await loadTrainableModel(file, {
    ...shape,
    precision: plan.precision,
    threads: plan.threads,
    seed: request.seed,
    ...(start && { start }),
  });
  yield {
    type: 'note',
    level: 'info',
    message: say('event.engine', {
      seconds: ((clock.now() - opened) / 1000).toFixed(1),
      precision: plan.precision,
      threads: plan.threads,
    }),
  };
  try {
    const writeAdapter = (folder: string) => write(folder, file, adapterOf(model, shape));
    const order = (epoch: number) => epochOrder(trainRows.length, request.seed, epoch);
    const outcome = yield* trainingRun(
      { request, plan, model, trainRows, validRows, order, writeAdapter, clock },
      signal,
    );
    const paths = await writeAdapter(join(request.directory, 'result'));
    const parity = await parityRows(model, validRows.length > 0 ? validRows : trainRows);
    yield { type: 'trained', ...paths, trainedTokens: plan.trainedTokens, ...outcome, parity };
  } finally {
    await model.close();
  }
  yield { type: 'done' };
}

const baseModelMissing = (path: string) =>
  new CodedError('base_model_missing', say('failure.base_file_missing', { path }), {
    param: 'model',
  });

type Shape = Omit<Adapter, 'tensors'>;
type AdapterStart = {
  readonly shape: Shape;
  readonly start: Adapter | null;
  /** The adapter that is trained further, in words, where what the options ask for gives way to it. */
  readonly changed: string | null;
};

/** An adapter that is trained further keeps its rank, alpha and layers: its numbers mean nothing
 *  under others. */
async function adapterShape(file: ModelFile, request: TrainRequest): Promise<AdapterStart> {
  const { rank, alpha = 2 * rank, targets, rank_stabilized: rankStabilized } = request.options;
  const asked: Shape = { rank, alpha, targets, rankStabilized };
  if (request.startAdapter === null) return { shape: asked, start: null, changed: null };
  const start = await readPeftAdapter(request.startAdapter);
  checkAdapterFits(start, file.config);
  const shape: Shape = {
    rank: start.rank,
    alpha: start.alpha,
    targets: start.targets,
    rankStabilized: start.rankStabilized,
  };
  const inWords = (of: Shape) =>
    `rank ${of.rank}, alpha ${of.alpha}, ${[...of.targets].sort().join(' ')}${of.rankStabilized ? ', rank-stabilized' : ''}`;
  const same = inWords(asked) === inWords(shape);
  return { shape, start, changed: same ? null : inWords(shape) };
}

const adapterOf = ({ params, shapes }: TrainableModel, shape: Shape): Adapter => ({
  ...shape,
  tensors: new Map([...params].map(([name, data]) => [name, { shape: shapes.get(name)!, data }])),
});

async function write(folder: string, file: ModelFile, adapter: Adapter): Promise<AdapterPaths> {
  const paths = { adapter: join(folder, 'adapter'), ggufAdapter: join(folder, 'adapter.gguf') };
  await mkdir(folder, { recursive: true });
  await writePeftAdapter(paths.adapter, adapter, basename(file.path));
  await writeGgufAdapter(paths.ggufAdapter, adapter, file.config);
  return paths;
}

const MOST_PARITY_ROWS = 20;
/** Their beginnings suffice, and fit where the model is served with a shorter context than it trained
 *  with. */
const MOST_PARITY_TOKENS = 1024;

/** What the served model will be compared with. */
async function parityRows(model: TrainableModel, rows: readonly Row[]) {
  const parity: { ids: number[]; logProbs: number[] }[] = [];
  for (const row of rows.slice(0, MOST_PARITY_ROWS)) {
    const ids = row.ids.slice(0, MOST_PARITY_TOKENS);
    const weights = row.weights.slice(0, MOST_PARITY_TOKENS);
    parity.push({ ids: [...ids], logProbs: [...(await model.logProbs({ ids, weights }))] });
  }
  return parity;
}
