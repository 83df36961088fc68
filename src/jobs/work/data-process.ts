// Entry of the child that runs a data task: waits for the task, works, reports, ends.
import type { Asking } from '../../data/documents/ask.ts';
import { connectParent } from '../../lib/child.ts';
import { speaker } from '../../messages/say.ts';
import { type DataTask, type FromData, ToData } from '../data-protocol.ts';
import { dataFailure } from './data-failure.ts';
import { modelAbove } from './data-model.ts';

const parent = connectParent<ToData, FromData>((raw) => ToData.parse(raw));
const model = modelAbove(parent.send);
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on('SIGINT', () => {});

let answered: (codes: readonly string[]) => void = () => {};
parent.onMessage((message) => {
  if (message.type === 'answers') answered(message.codes);
  else if (message.type === 'task') void run(message.task).then((code) => process.exit(code));
  else model.take(message);
});

export type Told = {
  readonly send: (message: FromData) => Promise<void>;
  /** Resolves with the parent's answers. */
  readonly ask: (message: Extract<FromData, { type: 'questions' }>) => Promise<readonly string[]>;
};

async function run(task: DataTask): Promise<number> {
  const told: Told = {
    send: parent.send,
    ask: (message) =>
      new Promise((resolve) => {
        answered = resolve;
        void parent.send(message);
      }),
  };
  try {
    await parent.send({ type: 'result', value: await work(task, told) });
    return 0;
  } catch (error) {
    await parent.send(dataFailure(error, speaker(task.language ?? 'en')));
    return 1;
  }
}

/** Each kind is loaded when asked for. */
async function work(task: DataTask, told: Told): Promise<unknown> {
  switch (task.kind) {
    case 'prepare':
      return (await import('./data-prepare.ts')).prepareTask(task, told);
    case 'check':
      return (await import('./data-check.ts')).checkTask(task, told);
    case 'convert':
      return (await import('./data-convert.ts')).convertTask(task, told);
    case 'preview':
      return (await import('./data-convert.ts')).previewTask(task);
    case 'overlap':
      return (await import('./data-convert.ts')).overlapTask(task);
    case 'transform':
      return (await import('./data-transform.ts')).transformTask(task, told);
    case 'documents':
      return (await import('../../data/documents/document-rows.ts')).documentRows(
        task,
        asking(task),
      );
    case 'rationale':
      return (await import('../../data/documents/rationales.ts')).rationales(task, asking(task));
    case 'distil':
      return (await import('../../data/documents/distil.ts')).distil(task, asking(task));
    case 'generate':
      return (await import('../../data/documents/generate.ts')).generate(task, asking(task));
    default:
      return task satisfies never;
  }
}

const asking = (task: DataTask): Asking => ({
  ask: model.ask,
  onPlan: (plan) => void parent.send({ type: 'plan', plan }),
  onTold: (told) => void parent.send({ type: 'told', told }),
  say: speaker(task.language ?? 'en'),
});
