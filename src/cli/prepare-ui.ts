// The person at the terminal, for src/data/prepare: prints, asks, and reads answers line by line.
import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { registeredSet } from '../data/convert/dataset-info.ts';
import type { PrepareOptions } from '../data/prepare/options.ts';
import { prepare } from '../data/prepare/prepare.ts';
import { PrepareError } from '../data/prepare/report.ts';
import type { Ui } from '../data/prepare/ui.ts';
import type { TableSource } from '../data/read-table/source.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { printJson } from './output.ts';

export type PrepareRun = {
  readonly quiet: boolean;
  readonly json: boolean;
  readonly options: Omit<PrepareOptions, 'signal'>;
};

/** With `--json` nothing is asked: the report takes the place of the conversation. */
export async function runPrepare(
  cli: Cli,
  sources: readonly TableSource[],
  { quiet, json, options }: PrepareRun,
): Promise<void> {
  const fromStdin = sources.some((source) => 'stream' in source);
  const accept = quiet || json;
  if (fromStdin && !accept)
    throw new Failure(cli.say('prepare.stdin_questions'), { code: 'usage', exitCode: 2 });
  const terminal = new Answers(cli, accept);
  const ui: Ui = {
    say: cli.say,
    print: (text) => {
      if (!json) cli.stdout.write(text);
    },
    confirm: async (question) => {
      if (!json) cli.stdout.write(question);
      if (!accept) return !/^(n|no|否|不|不是)$/i.test((await terminal.next()).trim());
      if (!json) cli.stdout.write('Y\n');
      return true;
    },
    askText: accept
      ? null
      : async (question) => {
          cli.stdout.write(question);
          return terminal.next();
        },
  };
  try {
    const report = await prepare(sources, { ...options, signal: cli.signal }, ui);
    if (json) printJson(cli, report);
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    if (json)
      printJson(cli, {
        error: { code: error.code, message: error.message },
        findings: error.findings,
      });
    const exitCode = error.code === 'interrupted' ? 130 : 1;
    throw new Failure(`${json ? '' : '\n'}${error.message}`, {
      exitCode,
      code: error.code,
      cause: error,
    });
  } finally {
    terminal.close();
  }
}

export type Named = {
  readonly source: TableSource;
  readonly rename: ((row: unknown) => unknown) | null;
};

/** `-` is standard input; a dataset_info.json stands for the set in it that `dataset` names. */
export async function sourceOf(cli: Cli, file: string, dataset: string | null): Promise<Named> {
  if (file === '-') return { source: { stream: cli.stdin, name: 'stdin' }, rename: null };
  const folder = existsSync(file) && statSync(file).isDirectory();
  const register = folder ? join(file, REGISTER) : file;
  if (dataset === null && (folder || basename(file) !== REGISTER))
    return { source: { path: file }, rename: null };
  try {
    const { path, rename } = await registeredSet(register, dataset);
    return { source: { path }, rename };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const { code, param } = error;
    throw new Failure(error.message, { code, param, cause: error });
  }
}
const REGISTER = 'dataset_info.json';

/** Lines of standard input, one for each question. */
class Answers {
  readonly #cli: Cli;
  readonly #lines: string[] = [];
  readonly #waiting: ((line: string | null) => void)[] = [];
  readonly #reader: ReturnType<typeof createInterface> | null;
  #ended = false;

  constructor(cli: Cli, unused: boolean) {
    this.#cli = cli;
    this.#reader = unused ? null : createInterface({ input: cli.stdin, terminal: false });
    this.#reader?.on('line', (line) => {
      const next = this.#waiting.shift();
      if (next === undefined) this.#lines.push(line);
      else next(line);
    });
    this.#reader?.on('close', () => {
      this.#ended = true;
      for (const next of this.#waiting.splice(0)) next(null);
    });
    cli.signal.addEventListener('abort', this.close, { once: true });
  }

  async next(): Promise<string> {
    const { signal, say } = this.#cli;
    const line =
      this.#lines.shift() ??
      (this.#ended
        ? null
        : await new Promise<string | null>((resolve) => this.#waiting.push(resolve)));
    signal.throwIfAborted();
    if (line === null) throw new Failure(`\n${say('prepare.few_answers')}`, { code: 'no_answer' });
    return line;
  }

  readonly close = (): void => {
    this.#reader?.close();
    this.#cli.signal.removeEventListener('abort', this.close);
  };
}
