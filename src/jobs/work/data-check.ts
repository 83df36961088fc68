// `tunery data check` in its child: opens the model, runs the check, estimates, mends what was agreed.
import { type Checked, checkData } from '../../data/check/check-data.ts';
import { type Counter, cl100kCounter, modelCounter } from '../../data/check/counter.ts';
import {
  applyFixes,
  DOUBTFUL,
  DROP_FAULTY,
  type FixCode,
  type FixResult,
  fixesFor,
} from '../../data/check/fix.ts';
import { pricesOf, readPrices } from '../../data/check/prices.ts';
import { makeReport, type Report } from '../../data/check/report.ts';
import { reportHtml } from '../../data/check/report-html.ts';
import { writeTextTo } from '../../data/source/write-rows.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { type Say, speaker } from '../../messages/say.ts';
import { type ModelFile, openModel } from '../../weights/model-file.ts';
import type { CheckTask, Question } from '../data-protocol.ts';
import { TrainingOptions } from '../protocol.ts';
import { autoPrecision, baseLearningRate, resolveHyperparameters } from './auto.ts';
import { generalWords, unsafeText } from './check-parts.ts';
import type { Told } from './data-process.ts';
import { estimateMemory, estimateSeconds, thisMachine } from './estimate.ts';
import { voiceOf } from './prepare.ts';

export type CheckResult = { readonly report: Report; readonly fixed: readonly FixResult[] };

export async function checkTask(task: CheckTask, told: Told): Promise<CheckResult> {
  const speak = speaker(task.language);
  const prices = await readPrices(task.prices);
  const model = task.model === null ? null : await openModel(task.model);
  try {
    const counter = await counterFor(task, model);
    const checked = await checkData(
      { ...task },
      {
        counter,
        unsafe: task.screen > 0 ? unsafeText : null,
        general: generalWords,
        onProgress: (progress) => void told.send({ type: 'progress', ...progress }),
      },
    );
    const report = makeReport(
      checked,
      { ...adviceFor(checked, counter, model), prices: [] },
      speak,
    );
    const priced = { ...report, prices: pricesOf(prices, report.training.trained_tokens) };
    if (task.html !== null) await writeTextTo(task.html, reportHtml(priced, speak));
    return { report: priced, fixed: await mend(task, checked, priced, told, speak) };
  } finally {
    await model?.close();
  }
}

async function counterFor(task: CheckTask, model: ModelFile | null): Promise<Counter> {
  const wanted = task.contextLength;
  if (model === null) return cl100kCounter(wanted ?? LONGEST_DEFAULT_CONTEXT);
  const longest = model.config.contextLength;
  if (wanted !== null && wanted > longest)
    throw new CodedError(
      'invalid_value',
      `context_length is ${wanted}, but this model reads at most ${longest} tokens.`,
      { param: 'context_length' },
    );
  const context = wanted ?? Math.min(longest, LONGEST_DEFAULT_CONTEXT);
  return modelCounter(await voiceOf(model), task.modelName ?? model.path, context);
}
const LONGEST_DEFAULT_CONTEXT = 4096;

/** The numbers that a job would choose for these rows, by the same functions. */
function adviceFor({ train, valid }: Checked, counter: Counter, model: ModelFile | null) {
  const auto = { n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' } as const;
  const rows = Math.max(1, train.sound);
  const { n_epochs: epochs, batch_size: batchSize } = resolveHyperparameters(auto, rows);
  const common = {
    epochs,
    batchSize,
    tokenizer: counter.name,
    contextLength: counter.contextLength,
  };
  if (model === null) return { ...common, learningRate: null, machine: null };
  const { config, parameterCount } = model;
  const options = TrainingOptions.parse({});
  const machine = thisMachine();
  const longest = Math.max(train.tokens?.max ?? 0, valid?.tokens?.max ?? 0);
  const precision = autoPrecision(config.hiddenSize);
  const memory = estimateMemory({
    config,
    parameterCount,
    precision,
    rank: options.rank,
    targetCount: options.targets.length,
    longestRow: Math.min(longest, counter.contextLength),
    tokensPerStep: Math.ceil((train.tokensPerEpoch / rows) * Math.min(batchSize, rows)),
    rowTokens: train.tokensPerEpoch + (valid?.tokensPerEpoch ?? 0),
  });
  const seconds = estimateSeconds(
    parameterCount,
    precision,
    train.tokensPerEpoch * epochs,
    (valid?.tokensPerEpoch ?? 0) * (epochs + 1),
    machine.cores,
  );
  return {
    ...common,
    learningRate: baseLearningRate(parameterCount),
    machine: { seconds: Math.ceil(seconds), memory_bytes: Math.ceil(memory) },
  };
}

async function mend(
  { fix, sheet, encoding }: CheckTask,
  { train, valid }: Checked,
  report: Report,
  told: Told,
  speak: Say,
): Promise<FixResult[]> {
  if (fix === null) return [];
  const files = [
    { file: 'train' as const, checked: train, output: fix.output },
    ...(valid === null || fix.validOutput === null
      ? []
      : [{ file: 'valid' as const, checked: valid, output: fix.validOutput }]),
  ];
  const { fill } = fix;
  const filled = Object.keys(fill).length > 0;
  const questions: Question[] = files.flatMap(({ file, checked }) =>
    fixesFor(checked, filled).ask.map((code) => ({
      file,
      ...questionFor(code, file, checked.faults.errorRows, report, speak),
      doubtful: DOUBTFUL.has(code),
    })),
  );
  const agreed =
    questions.length === 0 ? [] : await told.ask({ type: 'questions', report, questions });
  const results: FixResult[] = [];
  for (const { file, checked, output } of files) {
    const { auto, ask } = fixesFor(checked, filled);
    const codes = [...auto, ...ask.filter((code) => agreed.includes(`${file}/${code}`))];
    const mendable = report.findings.some((item) => item.file === file && item.fix === 'auto');
    if (codes.length > 0 || mendable)
      results.push(await applyFixes(checked, codes, output, fill, { sheet, encoding }));
  }
  return results;
}

function questionFor(
  code: FixCode,
  file: 'train' | 'valid',
  faulty: number,
  report: Report,
  speak: Say,
) {
  if (code === DROP_FAULTY)
    return {
      code,
      rows: faulty,
      message: speak('report.faulty', { rows: faulty }),
      advice: speak('report.faulty.drop'),
    };
  const found = report.findings.find((item) => item.code === code && item.file === file);
  if (found === undefined) throw new Error(`no finding for the fix ${code}`);
  return { code, rows: found.rows, message: found.message, advice: found.advice };
}
