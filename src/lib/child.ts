// A child process with a typed message channel. Native code (training, inference) lives in children,
// so that a crash there never takes the server down.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How a child ended. `stderr` is the end of what it printed: the only witness of a native crash. */
export type ChildExit = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
};

export type ChildOptions<Out> = {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** For Node and V8. */
  readonly flags?: readonly string[];
  /** Turns what came over the channel into a message; throws on anything else. */
  readonly parse: (raw: unknown) => Out;
};

const STDERR_KEPT = 8192; // characters: a native stack trace and the lines before it
const LAST_WORDS_MS = 1000; // messages and output may arrive after `exit`; wait this long for them

/** `In` is what the parent sends, `Out` what the child reports. */
export class Child<In, Out> {
  /** Settles once, after the last message was handed out; never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #listeners = new Set<(message: Out) => void>();
  #stderr = '';

  /** `entry` is a `.ts` or `.js` module; see `entryBeside`. */
  constructor(entry: URL, { args = [], env = {}, flags = [], parse }: ChildOptions<Out>) {
    this.#process = fork(fileURLToPath(entry), [...args], {
      env: { ...process.env, ...env },
      // Not the parent's own flags: a debugger port or a test runner's loader would break the child.
      execArgv: ['--disable-warning=ExperimentalWarning', ...flags],
      serialization: 'advanced', // JSON would turn NaN and Infinity into null
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
      });
    }
    this.#process.on('message', (raw) => {
      const message = this.#parse(raw, parse);
      if (message !== null) for (const listener of this.#listeners) listener(message.value);
    });
    this.exited = this.#watch();
  }

  /** Undefined when the process could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  onMessage(listener: (message: Out) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A message to a child that is gone is dropped: `exited` tells. */
  send(message: In): void {
    if (!this.#process.connected) return;
    this.#process.send(message as object, () => {});
  }

  /** Closes the channel, on which the child exits by itself; kills it after the grace time. */
  async close(graceMs = 5000): Promise<ChildExit> {
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.kill(), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#process.kill(signal);
  }

  #parse(raw: unknown, parse: (raw: unknown) => Out): { readonly value: Out } | null {
    try {
      return { value: parse(raw) };
    } catch (error) {
      // Parent and child disagree about the protocol: nothing that follows can be trusted.
      this.#stderr += `\nunreadable message from the child: ${String(error)}`;
      this.kill();
      return null;
    }
  }

  #watch(): Promise<ChildExit> {
    const child = this.#process;
    // Not the process's own 'close' event: it never comes once we have disconnected ourselves.
    const closed = [child.stdout, child.stderr].map(
      (stream) => new Promise<void>((resolve) => stream?.once('close', () => resolve())),
    );
    const silent = new Promise<void>((resolve) => {
      child.once('disconnect', () => resolve());
    });
    return new Promise((resolve) => {
      child.once('error', (error) => {
        if (child.pid !== undefined) return; // a failed send or kill; the exit still comes
        resolve({ code: null, signal: null, stderr: `could not start: ${error.message}` });
      });
      child.once('exit', async (code, signal) => {
        let timer: NodeJS.Timeout | undefined;
        const patience = new Promise<void>((done) => {
          timer = setTimeout(done, LAST_WORDS_MS);
        });
        await Promise.race([
          Promise.all([...closed, child.connected ? silent : undefined]),
          patience, // a grandchild may hold the pipes open
        ]);
        clearTimeout(timer);
        resolve({ code, signal, stderr: this.#stderr.trim() });
      });
    });
  }
}

/** The entry module `name` beside the calling one: `.ts` in the source tree, `.js` after the build. */
export function entryBeside(moduleUrl: string, name: string): URL {
  return new URL(`./${name}${moduleUrl.endsWith('.ts') ? '.ts' : '.js'}`, moduleUrl);
}

/** The child's end of the channel. A child whose parent is gone exits, whatever it is doing. */
export type Parent<In, Out> = {
  /** Resolves when the message has left this process; await it before exiting. */
  readonly send: (message: Out) => Promise<void>;
  readonly onMessage: (listener: (message: In) => void) => void;
};

export function connectParent<In, Out>(parse: (raw: unknown) => In): Parent<In, Out> {
  if (process.send === undefined) throw new Error('this module is started by its parent only');
  process.once('disconnect', () => process.exit(0));
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (!process.connected) return resolve();
        process.send?.(message, undefined, undefined, () => resolve());
      }),
    onMessage: (listener) => {
      process.on('message', (raw) => listener(parse(raw)));
    },
  };
}

/** One sentence about an exit, for error reports. */
export function describeExit({ code, signal, stderr }: ChildExit): string {
  const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`;
  return stderr === '' ? how : `${how}; its last output: ${stderr.slice(-500)}`;
}
