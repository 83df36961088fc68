// What a legacy fine-tune measures beside its losses: how much it has seen, whole answers that are right,
// and, for a classifier, how well the validation file's classes are told apart.
import type { Row } from '../../data/row.ts';
import { classificationColumns, type Prediction } from '../../evaluate/classification.ts';
import type { TrainableModel } from '../../train/model.ts';
import type { StepRecord } from '../../train/trainer.ts';
import type { Measured } from '../../train/validation.ts';
import type { LegacyMetrics, Plan } from '../protocol.ts';
import type { Run } from './training-run.ts';

/** Null for a job of today. */
export function legacyMeter(run: Run, stepsPerEpoch: number) {
  const { request, plan, model, validRows } = run;
  const { legacy } = request;
  if (legacy === null) return null;
  const seen = seenUntil(run, stepsPerEpoch);
  return async (record: StepRecord, valid: Measured | null): Promise<LegacyMetrics> => {
    const epochEnds = record.step % stepsPerEpoch === 0;
    return {
      ...seen(record.step),
      trainSequenceAccuracy: record.rowAccuracy,
      validSequenceAccuracy: valid?.rowAccuracy ?? null,
      classification:
        legacy.classification !== null && epochEnds
          ? classificationColumns(await predictions(model, validRows, plan), legacy.classification)
          : null,
    };
  };
}

/** Tokens and rows of all steps up to one: a function of the step, so that a resumed run counts on. */
function seenUntil({ trainRows, plan, order }: Run, stepsPerEpoch: number) {
  const { batch_size } = plan.hyperparameters;
  const perEpoch = trainRows.reduce((sum, { ids }) => sum + ids.length, 0);
  let current: { readonly epoch: number; readonly tokens: readonly number[] } | null = null;
  /** Tokens of the first 0, 1, 2 … rows of an epoch. */
  const running = (epoch: number) => {
    let sum = 0;
    return [0, ...Array.from(order(epoch), (row) => (sum += trainRows[row]!.ids.length))];
  };
  return (step: number) => {
    const epoch = Math.floor((step - 1) / stepsPerEpoch);
    if (current?.epoch !== epoch) current = { epoch, tokens: running(epoch) };
    const rows = Math.min(trainRows.length, (step - epoch * stepsPerEpoch) * batch_size);
    return {
      elapsedTokens: epoch * perEpoch + current.tokens[rows]!,
      elapsedExamples: epoch * trainRows.length + rows,
    };
  };
}

/** Each row's class, and the probability of every class's token among those of all classes, where the
 *  answer says it. */
async function predictions(model: TrainableModel, rows: readonly Row[], { labels }: Plan) {
  if (labels === undefined) throw new Error('the plan of a classifier has no labels');
  const { offset, classes } = labels;
  const found: Prediction[] = [];
  for (const { ids, answer = 0 } of rows) {
    const at = answer + offset;
    const logits = await model.nextLogits(ids.subarray(0, at));
    const own = classes.map(({ token }) => logits[token]!);
    const best = Math.max(...own);
    const weights = own.map((logit) => Math.exp(logit - best));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    found.push({
      actual: classes.findIndex(({ token }) => token === ids[at]),
      probabilities: weights.map((weight) => weight / total),
    });
  }
  return { labels: classes.map(({ label }) => label), rows: found };
}
