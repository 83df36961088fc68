// The texts of a job's events, as the original API words them. A legacy fine-tune has texts of its own:
// see legacy-events.ts.
import { basename } from 'node:path';
import type { NewEvent } from '../store/events.ts';
import type { Job } from './job.ts';
import { type WireMetrics, wireMetrics } from './metrics.ts';
import type { Plan, WorkerMessage } from './protocol.ts';

export type JobEvent = Omit<NewEvent, 'job_id'>;
type Step = Extract<WorkerMessage, { type: 'step' }>;

export const message = (at: number, text: string, once?: string): JobEvent => ({
  created_at: at,
  level: 'info',
  type: 'message',
  message: text,
  data: {},
  ...(once === undefined ? {} : { once }),
});

export const warning = (
  at: number,
  text: string,
  data: Record<string, unknown> = {},
): JobEvent => ({
  ...message(at, text),
  level: 'warn',
  data,
});

export const note = (at: number, level: 'info' | 'warn', text: string): JobEvent => ({
  ...message(at, text, `note/${text}`),
  level,
});

const created = (at: number, job: Pick<Job, 'id' | 'training_file' | 'validation_file'>) => [
  message(at, `Created fine-tuning job: ${job.id}`),
  message(
    at,
    `Validating training file: ${job.training_file}` +
      (job.validation_file === null ? '' : ` and validation file: ${job.validation_file}`),
  ),
];

/** What was cut, what will be done, and that the job waits for its turn. */
function validated(at: number, job: Job, plan: Plan): JobEvent[] {
  const cut = cutRows(at, job, plan);
  const { n_epochs, batch_size, learning_rate_multiplier } = plan.hyperparameters;
  const text =
    `Plan: ${plan.trainRows} training rows, ${plan.validRows} validation rows, ` +
    `${plan.tokensPerEpoch} tokens per epoch; ${n_epochs} epochs of batch size ${batch_size} are ` +
    `${plan.totalSteps} steps; learning rate ${plan.learningRate} (multiplier ${learning_rate_multiplier}); ` +
    `estimated ${Math.ceil(plan.estimatedSeconds)} s and ${Math.ceil(plan.memoryBytes / 2 ** 20)} MiB of memory`;
  const { cut: _, ...figures } = plan;
  return [
    ...cut,
    { ...message(at, text), data: figures },
    message(at, 'Files validated, moving job to queued state'),
  ];
}

const NAMED_ROWS = 20; // in the sentence; the event's data has every row

export function cutRows(at: number, job: Job, { cut, contextLength }: Plan): JobEvent[] {
  if (cut.length === 0) return [];
  const rows = cut.map(({ file, line, tokens, lost }) => ({
    file: fileOf(job, file),
    line,
    tokens,
    lost,
  }));
  const named = rows
    .slice(0, NAMED_ROWS)
    .map(
      ({ file, line, tokens, lost }) => `line ${line} of ${file} (${tokens} tokens, ${lost} lost)`,
    );
  const more = rows.length > NAMED_ROWS ? ` and ${rows.length - NAMED_ROWS} more` : '';
  const total = rows.reduce((sum, { lost }) => sum + lost, 0);
  const text =
    `${rows.length} row(s) are longer than the training context of ${contextLength} tokens and were ` +
    `cut at the end, ${total} tokens in all: ${named.join(', ')}${more}`;
  return [warning(at, text, { context_length: contextLength, rows })];
}

const fileOf = (job: Job, path: string) =>
  basename(path).startsWith('validation') ? (job.validation_file ?? path) : job.training_file;

export const paused = (at: number) => message(at, 'Fine-tuning job paused');
export const unpaused = (at: number, to: 'queued' | 'validating_files') =>
  message(
    at,
    `Fine-tuning job resumed, ${to === 'queued' ? 'moving to queued state' : 'validating its files again'}`,
  );
export const failure = (at: number, code: string, text: string): JobEvent => ({
  ...message(at, text),
  level: 'error',
  data: { code },
});

/** Step 0 is the measurement before training and no step of the job. */
function stepDone(at: number, step: Step): JobEvent {
  const metrics = wireMetrics(step.metrics);
  const known = [
    ['training loss', metrics['train_loss']],
    ['validation loss', metrics['valid_loss']],
    ['full validation loss', metrics['full_valid_loss']],
  ] as const;
  const losses = known.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value.toFixed(2)}`],
  );
  const number = metrics['step'] ?? 0;
  if (number === 0) {
    const before = losses.slice(1).join(', '); // nothing was trained yet, so no training loss
    return {
      ...message(at, `Before training: ${before}`, 'step/0'),
      data: withoutTraining(metrics),
    };
  }
  return {
    ...message(at, `Step ${number}/${step.totalSteps}: ${losses.join(', ')}`, `step/${number}`),
    type: 'metrics',
    data: {
      ...metrics,
      total_steps: step.totalSteps,
      epoch: step.epoch,
      learning_rate: step.learningRate,
      grad_norm: step.gradNorm,
      target_tokens_per_second: step.targetTokensPerSecond,
      seconds_left: step.secondsLeft,
    },
  };
}

function withoutTraining(metrics: WireMetrics): WireMetrics {
  const { train_loss: _loss, train_mean_token_accuracy: _accuracy, ...rest } = metrics;
  return rest;
}

export const checkpointCreated = (at: number, step: number, model: string): JobEvent => ({
  ...message(at, `Checkpoint created at step ${step}: ${model}`, `checkpoint/${step}`),
  data: { step, fine_tuned_model_checkpoint: model },
});

/** What a job says at each turn of its life. */
export const modernEvents = {
  created,
  validated,
  /** `ahead`: jobs that are trained before this one. */
  queued: (at: number, ahead: number, trainers: number): JobEvent[] =>
    ahead < trainers
      ? []
      : [message(at, `Waiting: ${ahead} ${ahead === 1 ? 'job' : 'jobs'} ahead`)],
  started: (at: number) => message(at, 'Fine-tuning job started', 'started'),
  note: (at: number, level: 'info' | 'warn', text: string): JobEvent[] => [note(at, level, text)],
  step: (at: number, step: Step): JobEvent[] => [stepDone(at, step)],
  cancelled: (at: number) => message(at, 'Fine-tuning job cancelled'),
  failed: (at: number, code: string, text: string) => failure(at, code, `The job failed: ${text}`),
  succeeded: (at: number, model: string, _resultFile: string): JobEvent[] => [
    message(at, `New fine-tuned model created: ${model}`),
    message(at, 'The job has successfully completed'),
  ],
};
