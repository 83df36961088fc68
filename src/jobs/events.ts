// The texts of a job's events, as the original API words them. A legacy fine-tune has texts of its own:
// see legacy-events.ts.
import { basename } from 'node:path';
import { say } from '../messages/say.ts';
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
  message(at, say('event.created', { id: job.id })),
  message(
    at,
    job.validation_file === null
      ? say('event.validating', { training: job.training_file })
      : say('event.validating_both', {
          training: job.training_file,
          validation: job.validation_file,
        }),
  ),
];

/** What was cut, what will be done, and that the job waits for its turn. */
function validated(at: number, job: Job, plan: Plan): JobEvent[] {
  const cut = cutRows(at, job, plan);
  const { n_epochs, batch_size, learning_rate_multiplier } = plan.hyperparameters;
  const text = say('event.plan', {
    train: plan.trainRows,
    valid: plan.validRows,
    tokens: plan.tokensPerEpoch,
    epochs: n_epochs,
    batch: batch_size,
    steps: plan.totalSteps,
    rate: plan.learningRate,
    multiplier: learning_rate_multiplier,
    seconds: Math.ceil(plan.estimatedSeconds),
    memory: Math.ceil(plan.memoryBytes / 2 ** 20),
  });
  const { cut: _, ...figures } = plan;
  return [...cut, { ...message(at, text), data: figures }, message(at, say('event.validated'))];
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
    .map((row) => say('event.cut_row', row))
    .join(say('list.comma'));
  const more = rows.length - NAMED_ROWS;
  const text = say('event.cut', {
    rows: rows.length,
    context: contextLength,
    lost: rows.reduce((sum, { lost }) => sum + lost, 0),
    list: more > 0 ? say('part.and_more', { first: named, count: more }) : named,
  });
  return [warning(at, text, { context_length: contextLength, rows })];
}

function fileOf({ options, training_file, validation_file }: Job, path: string): string {
  if (basename(path).startsWith('validation')) return validation_file ?? path;
  return basename(path).startsWith('general') ? (options.general_file ?? path) : training_file;
}

export const paused = (at: number) => message(at, say('event.paused'));
export const unpaused = (at: number, to: 'queued' | 'validating_files') =>
  message(at, say(to === 'queued' ? 'event.resumed' : 'event.resumed_validating'));
export const failure = (at: number, code: string, text: string): JobEvent => ({
  ...message(at, text),
  level: 'error',
  data: { code },
});

/** Step 0 is the measurement before training and no step of the job. */
function stepDone(at: number, step: Step): JobEvent {
  const metrics = wireMetrics(step.metrics);
  const known = [
    ['event.train_loss', metrics['train_loss']],
    ['event.valid_loss', metrics['valid_loss']],
    ['event.full_valid_loss', metrics['full_valid_loss']],
  ] as const;
  const losses = known.flatMap(([key, value]) =>
    value === undefined ? [] : [say(key, { loss: value.toFixed(2) })],
  );
  const number = metrics['step'] ?? 0;
  if (number === 0) {
    const list = losses.slice(1).join(say('list.comma')); // nothing was trained yet, so no training loss
    return {
      ...message(at, say('event.before', { list }), 'step/0'),
      data: withoutTraining(metrics),
    };
  }
  const list = losses.join(say('list.comma'));
  const text = say('event.step', { step: number, total: step.totalSteps, list });
  return {
    ...message(at, text, `step/${number}`),
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
  ...message(at, say('event.checkpoint', { step, model }), `checkpoint/${step}`),
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
      : [message(at, ahead === 1 ? say('event.waiting_one') : say('event.waiting', { ahead }))],
  started: (at: number) => message(at, say('event.started'), 'started'),
  note: (at: number, level: 'info' | 'warn', text: string): JobEvent[] => [note(at, level, text)],
  step: (at: number, step: Step): JobEvent[] => [stepDone(at, step)],
  cancelled: (at: number) => message(at, say('event.cancelled')),
  failed: (at: number, code: string, text: string) =>
    // What is wrong with a file begins like this by itself, as in the original.
    failure(
      at,
      code,
      /^The job failed\b/.test(text) ? text : say('event.failed', { message: text }),
    ),
  succeeded: (at: number, model: string, _resultFile: string): JobEvent[] => [
    message(at, say('event.model', { model })),
    message(at, say('event.succeeded')),
  ],
};
