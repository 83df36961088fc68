// Entry of a job's child: `worker.ts KIND REQUEST.json`. Runs one piece of work and passes its
// messages to the parent. Knows the IPC channel and nothing about the work.
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connectParent } from '../lib/child.ts';
import { lockDirectory } from '../lib/directory-lock.ts';
import {
  ExportRequest,
  ImportRequest,
  TrainRequest,
  type WorkerMessage,
  WorkKind,
} from './protocol.ts';

const TERMINATED = 143; // 128 + SIGTERM, what a shell reports for it

const parent = connectParent<never, WorkerMessage>((raw) => {
  throw new Error(`a job's child takes no messages, got ${JSON.stringify(raw)}`);
});
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
// Ctrl-C in a terminal reaches the whole group; the server decides how its children end.
process.on('SIGINT', () => {});

// Held until this process ends: says to a later server that this one may still write here.
const lock = lockDirectory(dirname(String(process.argv[3])));
if (lock.heldBy !== null) process.exit(1); // another child has just come; the parent will ask again

process.exit(await run(process.argv[2], process.argv[3], stop.signal));

async function run(kind: unknown, path: unknown, signal: AbortSignal): Promise<number> {
  try {
    const request: unknown = JSON.parse(await readFile(String(path), 'utf8'));
    let last: WorkerMessage['type'] | null = null;
    for await (const message of await work(WorkKind.parse(kind), request, signal)) {
      // Waits until the message has left: a slow parent slows the work instead of filling memory.
      await parent.send(message);
      last = message.type;
    }
    if (last !== 'fail' && last !== 'done') await parent.send({ type: 'done' });
    return 0;
  } catch (error) {
    // Without a last message: the parent sees an interruption and starts the work again some day.
    if (signal.aborted) return TERMINATED;
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    const message = error instanceof Error ? error.message : String(error);
    await parent.send({
      type: 'fail',
      code: 'internal',
      message: `Unexpected error in Tunery: ${message}`,
      param: null,
    });
    return 1;
  }
}

/** Each kind is loaded when asked for: preparing rows needs no training runtime. */
async function work(
  kind: WorkKind,
  request: unknown,
  signal: AbortSignal,
): Promise<AsyncIterable<WorkerMessage>> {
  switch (kind) {
    case 'prepare':
      return (await import('./work/prepare.ts')).prepare(TrainRequest.parse(request));
    case 'train':
      return (await import('./work/train.ts')).train(TrainRequest.parse(request), signal);
    case 'export':
      return (await import('./work/export.ts')).exportModel(ExportRequest.parse(request));
    case 'import-model':
      return (await import('./work/import-model.ts')).importModel(ImportRequest.parse(request));
    default:
      return kind satisfies never;
  }
}
