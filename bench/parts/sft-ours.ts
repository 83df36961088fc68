// Tunery's side of the `sft` benchmark: takes the arguments of peft_sft.py and prints the same fields.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Row } from '../../src/data/row.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { adamWState } from '../../src/optim/adamw.ts';
import { loadTrainableModel } from '../../src/train/model.ts';
import { train } from '../../src/train/trainer.ts';
import { openModel } from '../../src/weights/model-file.ts';
import { readNpz } from './npz.ts';
import type { MaskedRow } from './rows.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    rows: { type: 'string' },
    rank: { type: 'string', default: '8' },
    alpha: { type: 'string', default: '16' },
    targets: { type: 'string', default: 'q_proj,v_proj' },
    lr: { type: 'string', default: '1e-3' },
    batch: { type: 'string', default: '8' },
    steps: { type: 'string', default: '1000000000' },
    threads: { type: 'string', default: '2' },
    precision: { type: 'string', default: 'int8' },
    init: { type: 'string' },
    'max-tokens': { type: 'string' },
    'no-valid': { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
});

const launched = performance.now();
const data = JSON.parse(readFileSync(values.rows!, 'utf8'));
const asRow = ({ ids, mask }: MaskedRow): Row => ({
  ids: Int32Array.from(ids),
  weights: Float32Array.from(mask),
});
const rows: Row[] = data.train.map(asRow);
const valid: Row[] = data.valid.map(asRow);

const file = await openModel(values.model!);
const model = await loadTrainableModel(file, {
  rank: Number(values.rank),
  alpha: Number(values.alpha),
  targets: values.targets.split(','),
  rankStabilized: false,
  precision: values.precision as 'int8' | 'f32',
  threads: Number(values.threads),
  seed: 0,
  ...(values['max-tokens'] && { maxTokens: Number(values['max-tokens']) }),
  ...(values.profile && { profile: values.profile }),
});
if (values.init) {
  for (const [name, { data: initial }] of readNpz(values.init))
    model.params.get(name.replace('.default.weight', '.weight'))!.set(initial);
}
const loadSeconds = (performance.now() - launched) / 1000;

let forwardBackward = 0;
const timed = {
  ...model,
  accumulate: async (batch: readonly Row[]) => {
    const started = performance.now();
    const sums = await model.accumulate(batch);
    forwardBackward += (performance.now() - started) / 1000;
    return sums;
  },
};

const evaluate = async () => {
  if (values['no-valid']) return null;
  const { loss, weight } = await model.evaluate(valid);
  return loss / weight;
};
const before = await evaluate();

const batchRows = Number(values.batch);
const batches: Row[][] = [];
for (let i = 0; i < rows.length && batches.length < Number(values.steps); i += batchRows)
  batches.push(rows.slice(i, i + batchRows));
const losses: number[] = [];
let targets = 0;
const tokens = batches.flat().reduce((sum, { ids }) => sum + ids.length, 0);
const started = performance.now();
const options = {
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  maxGradNorm: 1,
  rate: () => Number(values.lr),
  clock: systemClock,
};
for await (const step of train(timed, batches, adamWState(model.params), options)) {
  losses.push(step.loss);
  targets += step.targets;
}
const seconds = (performance.now() - started) / 1000;
const after = await evaluate();

process.stdout.write(
  `${JSON.stringify({
    engine: `tunery ${values.precision}`,
    steps: losses.length,
    seconds,
    load_seconds: loadSeconds,
    tokens_per_s: tokens / seconds,
    target_tokens_per_s: targets / seconds,
    raw_target_tokens_per_s: targets / forwardBackward,
    peak_rss_gb: process.resourceUsage().maxRSS / 1e6,
    valid_loss_before: before,
    valid_loss_after: after,
    losses,
  })}\n`,
);
process.exit(0);
