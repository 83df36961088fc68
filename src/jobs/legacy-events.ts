// The texts of a legacy fine-tune's events, word by word those of a real run: clients print them, and
// some wait for one of them.
import { cutRows, failure, type JobEvent, message, modernEvents, note } from './events.ts';
import { isFineTune } from './legacy.ts';

/** What this job says at each turn of its life. */
export const eventsOf = (jobId: string) => (isFineTune(jobId) ? legacyEvents : modernEvents);

const legacyEvents: typeof modernEvents = {
  created: (at, { id }) => [message(at, `Created fine-tune: ${id}`)],
  validated: (at, job, plan) => cutRows(at, job, plan),
  queued: (at, ahead, trainers) => [
    message(at, `Fine-tune enqueued. Queue number: ${Math.max(0, ahead + 1 - trainers)}`),
  ],
  started: (at) => message(at, 'Fine-tune started', 'started'),
  // Of the remarks, those that a user must know.
  note: (at, level, text) => (level === 'warn' ? [note(at, level, text)] : []),
  step: () => [],
  cancelled: (at) => message(at, 'Fine-tune cancelled'),
  failed: (at, code, text) => failure(at, code, `Fine-tune failed. ${text}`),
  succeeded: (at, model, resultFile) => [
    message(at, `Uploaded model: ${model}`),
    message(at, `Uploaded result file: ${resultFile}`),
    message(at, 'Fine-tune succeeded'),
  ],
};

export const epochCompleted = (at: number, epoch: number, epochs: number): JobEvent =>
  message(at, `Completed epoch ${epoch}/${epochs}`, `epoch/${epoch}`);
