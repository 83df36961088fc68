// Entry of the child that runs a data task: waits for the task, works, reports, ends.
import { explain } from '../../data/problems.ts';
import { TableError } from '../../data/read-table/table.ts';
import { connectParent } from '../../lib/child.ts';
import { say } from '../../messages/say.ts';
import { type DataTask, type FromData, ToData } from '../data-protocol.ts';
import { failure } from './failure.ts';

const parent = connectParent<ToData, FromData>((raw) => ToData.parse(raw));
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on('SIGINT', () => {});

let answered: (codes: readonly string[]) => void = () => {};
parent.onMessage((message) => {
  if (message.type === 'answers') answered(message.codes);
  else void run(message.task).then((code) => process.exit(code));
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
    await parent.send(failed(error, 'output' in task ? task.output : task.path));
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
    default:
      return task satisfies never;
  }
}

function failed(error: unknown, output: string): FromData {
  if (error instanceof TableError) {
    const { what, fix } = explain(error.problem, say);
    const message = `${error.problem.file}: ${what}. ${fix}`;
    return { type: 'fail', code: 'unreadable_file', message, param: 'file' };
  }
  try {
    return failure(error, output) as FromData;
  } catch (bug) {
    process.stderr.write(`${bug instanceof Error ? bug.stack : String(bug)}\n`);
    const message = `Unexpected error in Tunery: ${bug instanceof Error ? bug.message : String(bug)}`;
    return { type: 'fail', code: 'internal', message, param: null };
  }
}
