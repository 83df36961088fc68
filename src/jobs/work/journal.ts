// Everything a run has told about its steps, as JSON lines beside its checkpoints. What a crash kept
// from being heard is told again from here; what lies after the checkpoint is run again instead.
import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { writeAll, writeTextAtomically } from '../../weights/atomic-write.ts';
import { WorkerMessage } from '../protocol.ts';

export class Journal {
  /** Messages up to the step that the run goes on from. */
  readonly kept: readonly WorkerMessage[];
  readonly #path: string;
  #pending: string[] = [];
  constructor(path: string, kept: readonly WorkerMessage[]) {
    this.#path = path;
    this.kept = kept;
  }

  /** `step` null: a run from the beginning, whatever an earlier attempt left. */
  static async open(path: string, step: number | null): Promise<Journal> {
    const kept = step === null ? [] : await readUntil(path, step);
    await writeTextAtomically(path, kept.map(line).join(''));
    return new Journal(path, kept);
  }

  /** The last step it tells of. */
  get lastStep(): number {
    const last = this.kept.at(-1);
    return last && 'metrics' in last ? last.metrics.step : 0;
  }

  /** Returns the message, which is to be told. */
  add(message: WorkerMessage): WorkerMessage {
    this.#pending.push(line(message));
    return message;
  }

  /** Before a checkpoint is written: a checkpoint without its journal would hide steps. */
  async flush(): Promise<void> {
    const handle = await open(this.#path, 'a');
    try {
      await writeAll(handle, Buffer.from(this.#pending.join('')));
      await handle.sync();
    } finally {
      await handle.close();
    }
    this.#pending = [];
  }
}

const line = (message: WorkerMessage) => `${JSON.stringify(message)}\n`;

/** Stops at the first line of a later step; such a line may be cut off by the crash. */
async function readUntil(path: string, step: number): Promise<WorkerMessage[]> {
  const kept: WorkerMessage[] = [];
  for (const text of existsSync(path) ? (await readFile(path, 'utf8')).split('\n') : []) {
    const message = parse(text);
    if (message === null || !('metrics' in message) || message.metrics.step > step) break;
    kept.push(message);
  }
  return kept;
}

function parse(text: string): WorkerMessage | null {
  try {
    return WorkerMessage.parse(JSON.parse(text));
  } catch {
    return null;
  }
}
