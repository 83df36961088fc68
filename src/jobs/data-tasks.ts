// Runs one data task in a child process and hands its result back. For the server and for the command
// line, which works without a server here.
import type { Asking } from '../data/documents/ask.ts';
import { Child, type ChildExit, describeExit, entryBeside } from '../lib/child.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type DataTask, FromData, type Question, type ToData } from './data-protocol.ts';

/** For the child's V8: rows die young, and a nursery that grows to its usual size only costs memory. */
export const DATA_FLAGS = ['--max-semi-space-size=8'];

export type DataTaskOptions = {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Extract<FromData, { type: 'progress' }>) => void;
  /** Asked once, when a check wants to mend something; without it, nothing that needs asking is done. */
  readonly ask?: (questions: readonly Question[], report: unknown) => Promise<readonly string[]>;
  /** For tasks that ask a model. */
  readonly model?: Asking;
};

/** Throws CodedError with what the task found wrong, and the signal's reason when it is aborted. */
export async function runDataTask(
  task: DataTask,
  { signal, onProgress, ask, model }: DataTaskOptions = {},
): Promise<unknown> {
  signal?.throwIfAborted();
  const child = new Child<ToData, FromData>(entryBeside(import.meta.url, 'work/data-process'), {
    flags: DATA_FLAGS,
    parse: (raw) => FromData.parse(raw),
  });
  /** What the model's endpoint refused: the child passes on the words only. */
  const refusals = new Map<string, CodedError>();
  const answer = async (
    { id, body }: Extract<FromData, { type: 'ask' }>,
    reject: (error: unknown) => void,
  ) => {
    try {
      if (model === undefined) throw new Error('a task asks a model and has none');
      child.send({ type: 'asked', id, asked: await model.ask(body) });
    } catch (error) {
      if (!(error instanceof CodedError)) return reject(error);
      const { code, message, param } = error;
      refusals.set(message, error);
      child.send({ type: 'not-asked', id, code, message, param });
    }
  };
  // Its channel closed, it exits and takes its unfinished files along.
  const stop = () => void child.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<unknown>((resolve, reject) => {
      child.onMessage((message) => {
        if (message.type === 'progress') onProgress?.(message);
        else if (message.type === 'result') resolve(message.value);
        else if (message.type === 'plan') model?.onPlan(message.plan);
        else if (message.type === 'told') model?.onTold(message.told);
        else if (message.type === 'ask') void answer(message, reject);
        else if (message.type === 'fail')
          reject(
            refusals.get(message.message) ??
              new CodedError(message.code, message.message, { param: message.param }),
          );
        else
          (ask?.(message.questions, message.report) ?? Promise.resolve([])).then(
            (codes) => child.send({ type: 'answers', codes: [...codes] }),
            reject,
          );
      });
      void child.exited.then((exit) => {
        if (signal?.aborted) reject(signal.reason as Error);
        else reject(new Error(`The data process ${describeExit(shortened(exit))}`));
      });
      child.send({ type: 'task', task });
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    await child.close();
  }
}

/** Of a crash only the line that names it: a stack trace helps nobody who reads this. */
const shortened = (exit: ChildExit): ChildExit => ({
  ...exit,
  stderr: exit.stderr.split('\n').findLast((line) => /\b(\w*Error|FATAL)\b.*:/.test(line)) ?? '',
});
