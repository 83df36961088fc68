// The first half of a job: checks the files against the model, turns rows into tokens, and makes the
// plan in which every `auto` is a number. Trains nothing and loads no weights.
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidFileMessage, MIN_EXAMPLES, tooFewExamples } from '../../data/check.ts';
import { describe } from '../../data/problems.ts';
import type { SupervisedExample } from '../../data/read-examples.ts';
import type { Voice } from '../../data/render.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { say } from '../../messages/say.ts';
import { type ModelFile, openModel } from '../../weights/model-file.ts';
import type { Plan, TrainRequest, WorkerMessage } from '../protocol.ts';
import {
  autoPrecision,
  baseLearningRate,
  LEGACY_RATE,
  resolveHyperparameters,
  resolveLegacyHyperparameters,
} from './auto.ts';
import { remarksOn } from './check-rows.ts';
import {
  type Cost,
  estimateMemory,
  estimateSeconds,
  type Machine,
  thisMachine,
} from './estimate.ts';
import { failure } from './failure.ts';
import { LabelCollector } from './labels.ts';
import { generalRowsIn, mixRows } from './mix-rows.ts';
import { type RenderedFile, renderFile } from './render-file.ts';
import { Screening } from './screen.ts';

/** Files in the job's directory. */
export const PLAN_FILE = 'plan.json';
export const TRAIN_ROWS_FILE = 'rows-train.bin';
export const VALID_ROWS_FILE = 'rows-valid.bin';

/** Ends with `planned`, or with `fail`; both are also safe to run again. */
export async function* prepare(
  request: TrainRequest,
  machine: Machine = thisMachine(),
): AsyncGenerator<WorkerMessage> {
  try {
    yield* preparation(request, machine);
  } catch (error) {
    yield failure(error, request.directory);
  }
}

async function* preparation(
  request: TrainRequest,
  machine: Machine,
): AsyncGenerator<WorkerMessage> {
  const model = await openModel(request.baseModel);
  try {
    const contextLength = contextFor(request, model);
    const voice = await voiceOf(model);
    const { legacy } = request;
    const collector = legacy?.classification
      ? new LabelCollector(voice.tokenizer, contextLength)
      : null;
    const screening = new Screening();
    const look = (which: Which) => (item: SupervisedExample) => {
      if (request.options.moderation !== 'off') screening.look(item);
      if (legacy !== null && item.format === 'chat') throw notPairs(which, item.line);
      if (item.format === 'completion' && which !== 'general')
        collector?.add(which, item.line, item.value);
    };
    const own = await renderFile(
      voice,
      request.trainingFile,
      join(request.directory, TRAIN_ROWS_FILE),
      contextLength,
      look('training'),
    );
    yield* notesOn('training', own);
    checkRows('training', own, request);
    yield* verdictOn('training', screening, request);
    let general: RenderedFile | null = null;
    let train = own;
    if (request.generalFile !== null) {
      const path = generalRowsIn(request.directory);
      general = await renderFile(voice, request.generalFile, path, contextLength, look('general'));
      yield* notesOn('general', general);
      checkRows('general', general, request);
      yield* verdictOn('general', screening, request);
      const { general_ratio: ratio = '1:1' } = request.options;
      train = await mixRows(request.directory, TRAIN_ROWS_FILE, own, general, ratio, request.seed);
      const drawn = train.rows - own.rows;
      yield note(
        'info',
        say('event.mixed', {
          general: drawn,
          own: own.rows,
          drawn: Number((drawn / own.rows).toFixed(3)),
          ratio,
        }),
      );
    }
    const valid =
      request.validationFile === null
        ? null
        : await renderFile(
            voice,
            request.validationFile,
            join(request.directory, VALID_ROWS_FILE),
            contextLength,
            look('validation'),
          );
    if (valid !== null) {
      yield* notesOn('validation', valid);
      checkRows('validation', valid, request);
      yield* verdictOn('validation', screening, request);
    }
    if (train.format === 'chat' && voice.chatTemplate === null)
      yield note('info', say('event.no_template'));
    // The events of a legacy fine-tune are word by word those of the old service: no remarks there.
    if (legacy === null)
      yield* remarksOn(request, train.rows + (valid?.rows ?? 0), voice, contextLength);
    const labels = legacy?.classification && collector?.labels(legacy.classification);
    const plan = {
      ...makePlan(request, model, machine, contextLength, { train, general, valid }),
      ...(labels && { labels }),
    };
    yield* checkMemory(plan, machine);
    await writeJson(join(request.directory, PLAN_FILE), plan);
    yield { type: 'planned', plan };
  } finally {
    await model.close();
  }
}

const LONGEST_DEFAULT_CONTEXT = 4096;

function contextFor({ options }: TrainRequest, { config }: ModelFile): number {
  const wanted = options.context_length;
  if (wanted === undefined) return Math.min(config.contextLength, LONGEST_DEFAULT_CONTEXT);
  if (wanted <= config.contextLength) return wanted;
  throw new CodedError(
    'invalid_value',
    say('failure.context_length', { wanted, most: config.contextLength }),
    { param: 'tunery.context_length' },
  );
}

export const voiceOf = async (model: ModelFile): Promise<Voice> => ({
  tokenizer: await model.tokenizer(),
  chatTemplate: model.chatTemplate,
  bosToken: model.bosToken,
  eosToken: model.eosToken,
});

type Which = 'training' | 'validation' | 'general';

const notPairs = (which: Which, line: number) =>
  new CodedError(
    `invalid_${which}_file`,
    `The job failed due to an invalid ${which} file. Line ${line} has chat messages, and a legacy fine-tune trains on prompt/completion pairs. Write {"prompt": …, "completion": …}, or create a job at /v1/fine_tuning/jobs.`,
    { param: `${which}_file` },
  );

function checkRows(which: Which, file: RenderedFile, { options, legacy }: TrainRequest) {
  const param = which === 'general' ? 'tunery.general_file' : `${which}_file`;
  const refuse = (code: string, message: string): never => {
    throw new CodedError(code, message, { param });
  };
  if (file.problemCount > 0)
    refuse(
      `invalid_${which}_file`,
      say('failure.invalid_file', {
        which,
        problems: invalidFileMessage(file.problems, file.problemCount),
      }),
    );
  // The older service had no such minimum.
  if (which === 'training' && file.examples < MIN_EXAMPLES && legacy === null)
    refuse('invalid_n_examples', tooFewExamples(file.examples));
  if (options.long_rows === 'refuse' && file.cut.length > 0)
    refuse(
      'rows_too_long',
      say('failure.rows_too_long', {
        which,
        list: listOf(file.cut.map(({ line, tokens }) => say('part.line_tokens', { line, tokens }))),
      }),
    );
  if (file.targets === 0) refuse(`invalid_${which}_file`, say('failure.no_targets', { which }));
}

// Cut rows are told from the plan, where they are listed.
function* notesOn(which: Which, file: RenderedFile): Generator<WorkerMessage> {
  for (const problem of file.notes)
    yield note('info', say('event.remark', { which, remark: describe(problem) }));
  if (file.unused.length > 0)
    yield note(
      'warn',
      say('event.unused', { which, keys: file.unused.map((key) => `'${key}'`).join(' and ') }),
    );
  if (file.withoutTargets.length > 0)
    yield note(
      'warn',
      say('event.nothing_to_learn', {
        rows: file.withoutTargets.length,
        which,
        list: listOf(file.withoutTargets.map((line) => say('part.line', { line }))),
      }),
    );
}

function* verdictOn(
  which: Which,
  screening: Screening,
  { options }: TrainRequest,
): Generator<WorkerMessage> {
  const found = screening.take(which, listOf);
  if (found === null) return;
  if (options.moderation === 'warn') return yield note('warn', found);
  throw new CodedError('moderation_flagged', say('failure.flagged', { message: found }), {
    param: which === 'general' ? 'tunery.general_file' : `${which}_file`,
  });
}

const MOST_LISTED = 20;
const listOf = (items: readonly string[]) =>
  items.length <= MOST_LISTED
    ? items.join(', ')
    : say('part.and_more', {
        first: items.slice(0, MOST_LISTED).join(', '),
        count: items.length - MOST_LISTED,
      });

const note = (level: 'info' | 'warn', message: string): WorkerMessage => ({
  type: 'note',
  level,
  message,
});

function makePlan(
  request: TrainRequest,
  model: ModelFile,
  machine: Machine,
  contextLength: number,
  {
    train,
    general,
    valid,
  }: {
    readonly train: RenderedFile;
    readonly general: RenderedFile | null;
    readonly valid: RenderedFile | null;
  },
): Plan {
  const { options } = request;
  const { config, parameterCount } = model;
  const resolve = request.legacy === null ? resolveHyperparameters : resolveLegacyHyperparameters;
  const hyperparameters = resolve(request.hyperparameters, train.rows);
  const {
    n_epochs: epochs,
    batch_size: batchSize,
    learning_rate_multiplier: multiplier,
  } = hyperparameters;
  const precision =
    options.precision === 'auto' ? autoPrecision(config.hiddenSize) : options.precision;
  const threads = options.threads ?? machine.cores;
  const trainedTokens = train.tokens * epochs;
  const cost: Cost = {
    config,
    parameterCount,
    precision,
    rank: options.rank,
    targetCount: options.targets.length,
    longestRow: Math.max(train.longest, valid?.longest ?? 0),
    tokensPerStep: Math.ceil((train.tokens / train.rows) * Math.min(batchSize, train.rows)),
    rowTokens: train.tokens + (valid?.tokens ?? 0),
  };
  const cutOf = (which: Which, file: RenderedFile | null) =>
    (file?.cut ?? []).map((row) => ({ file: `${which}_file`, ...row }));
  return {
    format: train.format!,
    trainRows: train.rows,
    validRows: valid?.rows ?? 0,
    tokensPerEpoch: train.tokens,
    targetTokensPerEpoch: train.targets,
    hyperparameters,
    learningRate:
      (options.learning_rate ?? baseLearningRate(parameterCount)) *
      (request.legacy === null ? multiplier : multiplier * LEGACY_RATE),
    precision,
    threads,
    contextLength,
    totalSteps: Math.ceil(train.rows / batchSize) * epochs,
    trainedTokens,
    memoryBytes: Math.ceil(estimateMemory(cost)),
    // Measured before the first step and after every epoch.
    estimatedSeconds: Math.ceil(
      estimateSeconds(
        parameterCount,
        precision,
        trainedTokens,
        (valid?.tokens ?? 0) * (epochs + 1),
        Math.min(threads, machine.cores),
      ),
    ),
    cut: [...cutOf('training', train), ...cutOf('general', general), ...cutOf('validation', valid)],
  };
}

/** More than the machine has cannot work; more than is free now may, once other programs end. */
function* checkMemory({ memoryBytes }: Plan, machine: Machine): Generator<WorkerMessage> {
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const needed = gigabytes(memoryBytes);
  if (memoryBytes > machine.totalMemory)
    throw new CodedError(
      'out_of_memory_plan',
      say('failure.memory_plan', { needed, there: gigabytes(machine.totalMemory) }),
    );
  if (memoryBytes > machine.availableMemory)
    yield note(
      'warn',
      say('event.little_memory', { needed, free: gigabytes(machine.availableMemory) }),
    );
}

/** Whole or not at all, also when the power fails. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const partial = `${path}.partial`;
  const file = await open(partial, 'w');
  try {
    await file.writeFile(JSON.stringify(value, null, 2));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}
