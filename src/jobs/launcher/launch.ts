// How the scheduler has a piece of work done, wherever it runs.
import type { ChildExit } from '../../lib/child.ts';
import type { WorkerMessage, WorkKind } from '../protocol.ts';

export type Work = {
  readonly kind: WorkKind;
  /** The work's own folder; the request is written there. */
  readonly directory: string;
  readonly request: unknown;
};

/** Yields the worker's messages until `done` or `fail`. Throws `Crashed` when it ends without either,
 *  and `Stopped` when the signal aborted it; in both cases nothing of it runs any more. */
export type Launch = (work: Work, signal: AbortSignal) => AsyncIterable<WorkerMessage>;

export class Crashed extends Error {
  override readonly name = 'Crashed';
  readonly exit: ChildExit;
  constructor(message: string, exit: ChildExit) {
    super(message);
    this.exit = exit;
  }
}

/** The reason to abort with. A worker with grace may write a checkpoint on SIGTERM. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly graceMs: number;
  constructor(message: string, graceMs: number) {
    super(message);
    this.graceMs = graceMs;
  }
}
