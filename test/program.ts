// Runs Tunery's scripts as a user does, and ends what a test leaves running.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';

type Options = { readonly env?: Record<string, string>; readonly input?: string };
export type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

export class Program {
  readonly process: ChildProcess;
  out = '';
  err = '';

  constructor(command: string, args: readonly string[], { env = {}, input }: Options = {}) {
    // A test must not meet the reader's own settings.
    const { TUNERY_MODELS: _, TUNERY_API_KEY: __, TUNERY_DATA_DIR: ___, ...rest } = process.env;
    delete rest['OPENAI_API_KEY'];
    const plain = { ...rest, LC_ALL: 'C.UTF-8', LANG: 'C.UTF-8' };
    this.process = spawn(command, args, { env: { ...plain, ...env } });
    try {
      onTestFinished(() => void this.process.kill('SIGKILL')); // what has ended takes no harm
    } catch {
      // Started outside of a test: whoever started it ends it.
    }
    this.process.stdin?.end(input);
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
  }

  /** Resolves as soon as the program has written this to either stream. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.out) ?? pattern.exec(this.err);
      if (found !== null) return found;
      if (this.process.exitCode !== null)
        throw new Error(`ended without ${pattern}:\n${this.out}\n${this.err}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async ended(): Promise<Ended> {
    if (this.process.exitCode === null && this.process.signalCode === null)
      await once(this.process, 'close');
    return { code: this.process.exitCode, out: this.out, err: this.err };
  }
}

export const script = (name: string, args: readonly string[], options?: Options) =>
  new Program(process.execPath, [`scripts/${name}.mjs`, ...args], options);
