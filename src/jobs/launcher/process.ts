// Runs work in a child process on this machine.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Child, type ChildExit, describeExit } from '../../lib/child.ts';
import { lockDirectory } from '../../lib/directory-lock.ts';
import { say } from '../../messages/say.ts';
import { WorkerMessage } from '../protocol.ts';
import { Crashed, type Launch, Stopped, type Work } from './launch.ts';

/** `entry`: the module that a child runs, with the kind of work and the request's path as arguments. */
export const launchProcess = (entry: URL): Launch =>
  async function* launch({ kind, directory, request }: Work, signal: AbortSignal) {
    await mkdir(directory, { recursive: true });
    await orphanGone(directory);
    const path = join(directory, `${kind}.json`);
    await writeFile(path, JSON.stringify(request));
    signal.throwIfAborted();
    const child = new Child<never, WorkerMessage>(entry, {
      args: [kind, path],
      parse: (raw) => WorkerMessage.parse(raw),
    });
    const inbox = collect(child);
    const stop = () => terminate(child, signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      for await (const message of inbox) {
        if (signal.aborted) continue; // what it says while it is being stopped no longer counts
        yield message;
        if (message.type === 'done' || message.type === 'fail') return;
      }
      signal.throwIfAborted();
      const exit = await child.exited;
      throw new Crashed(say('part.process', { kind, how: describeExit(exit) }), exit);
    } finally {
      signal.removeEventListener('abort', stop);
      await (signal.aborted ? child.exited : child.close());
    }
  };

/** Messages in order; ends when the child is gone. */
async function* collect(child: Child<never, WorkerMessage>): AsyncGenerator<WorkerMessage> {
  const waiting: WorkerMessage[] = [];
  let wake = () => {};
  let exit: ChildExit | null = null;
  child.onMessage((message) => {
    waiting.push(message);
    wake();
  });
  const ended = child.exited.then((how) => {
    exit = how;
    wake();
  });
  while (true) {
    const message = waiting.shift();
    if (message !== undefined) yield message;
    else if (exit !== null) break;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  await ended;
}

function terminate(child: Child<never, WorkerMessage>, reason: unknown): void {
  const graceMs = reason instanceof Stopped ? reason.graceMs : 0;
  if (graceMs === 0) {
    child.kill();
    return;
  }
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill(), graceMs);
  void child.exited.then(() => clearTimeout(timer));
}

const ORPHAN_GRACE_MS = 3000; // its channel closed with its server, on which it exits by itself

/** A child of a server that was killed may still be writing here. Its lock proves that it lives and
 *  that the process id in the folder is its own, so it can be ended without hitting a stranger. */
async function orphanGone(directory: string): Promise<void> {
  const start = performance.now();
  let killed = false;
  while (true) {
    const { heldBy, release } = lockDirectory(directory);
    release();
    if (heldBy === null) return;
    if (!killed && heldBy.pid !== null && performance.now() - start > ORPHAN_GRACE_MS) {
      process.kill(heldBy.pid, 'SIGKILL');
      killed = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
