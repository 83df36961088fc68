// What the data commands share: flags, the input, the model whose tokenizer counts, and running a task.
import { createWriteStream, existsSync, lstatSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { baseModels } from '../jobs/base-models.ts';
import type { DataTask, Question } from '../jobs/data-protocol.ts';
import { runDataTask } from '../jobs/data-tasks.ts';
import { CodedError } from '../lib/coded-error.ts';
import { retell } from '../messages/retell.ts';
import { type Language, parseLanguage } from '../messages/say.ts';
import { common } from './arguments.ts';
import type { Cli } from './cli.ts';
import { repeated } from './command-line.ts';
import { Failure, reasonOf } from './failure.ts';
import { defaultDataDir, modelsFromEnv, modelsIn } from './places.ts';
import { progress } from './progress.ts';

export const input = (cli: Cli) =>
  ({
    file: { type: 'positional', description: cli.say('arg.data_file'), required: true },
    sheet: { type: 'string', description: cli.say('arg.sheet'), valueHint: 'NAME' },
    encoding: { type: 'string', description: cli.say('arg.encoding'), valueHint: 'NAME' },
    ...common(cli),
  }) as const;

export const modelFlags = (cli: Cli) =>
  ({
    model: {
      type: 'string',
      alias: 'm',
      description: cli.say('arg.data_model'),
      valueHint: 'MODEL',
    },
    'context-length': {
      type: 'string',
      description: cli.say('arg.context_length'),
      valueHint: 'N',
    },
    'data-dir': {
      type: 'string',
      description: cli.say('arg.data_dir'),
      default: defaultDataDir(cli.env),
      valueHint: 'DIR',
    },
    'models-dir': { type: 'string', description: cli.say('arg.models_dir'), valueHint: 'DIR' },
  }) as const;

/** A path as the task wants it; `-` is standard input, kept in a file until `use` is done. */
export async function withInput<T>(cli: Cli, file: string, use: (path: string) => Promise<T>) {
  if (file !== '-') {
    const path = resolve(file);
    // A link that leads nowhere is the task's to explain.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
      throw new Failure(cli.say('error.file', { path: file, reason: cli.say('data.no_file') }), {
        code: 'file_not_found',
        param: 'file',
      });
    return use(path);
  }
  const folder = await mkdtemp(join(tmpdir(), 'tunery-stdin-'));
  try {
    const path = join(folder, 'stdin');
    await pipeline(cli.stdin, createWriteStream(path), { signal: cli.signal });
    return await use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Path of a model file or folder: given as such, or by its name in the model folders. */
export async function modelPath(
  cli: Cli,
  name: string,
  dataDir: string,
  rawArgs: readonly string[],
): Promise<string> {
  if (/[/\\]|\.gguf$/.test(name) && existsSync(name)) return resolve(name);
  const folders = [...repeated(rawArgs, 'models-dir'), ...modelsFromEnv(cli.env)];
  const models = baseModels(
    modelsIn(dataDir),
    folders,
    () => Promise.reject(new Error('reading a tokenizer converts nothing')),
    Date.now,
  );
  // A fine-tuned model reads as its base does: ft:BASE:…
  const base = name.startsWith('ft:') ? (name.split(':')[1] ?? name) : name;
  const found = await models.find(base);
  if (found !== null) return found.path;
  const known = (await models.list()).map(({ id }) => id).join(', ');
  throw new Failure(
    cli.say('datatool.model_missing', { name, known: known === '' ? '–' : known }),
    {
      code: 'model_not_found',
      param: 'model',
    },
  );
}

export const languageOf = ({ say }: Cli): Language => parseLanguage(say('cli.language')) ?? 'en';

/** Where a result goes that nobody named: beside its input, or here when that came by standard input. */
export const beside = (file: string, ending: string): string =>
  file === '-'
    ? resolve(`stdin${ending}`)
    : join(dirname(resolve(file)), `${basename(file, extname(file))}${ending}`);

const STAGES: Readonly<Record<string, 'datatool.progress_near' | 'datatool.progress_step'>> = {
  near: 'datatool.progress_near',
  step: 'datatool.progress_step',
};

type Ask = (questions: readonly Question[], report: unknown) => Promise<readonly string[]>;

export async function runTask(cli: Cli, task: DataTask, ask?: Ask): Promise<unknown> {
  const bar = progress(cli.stderr, Date.now);
  try {
    return await runDataTask(
      { language: languageOf(cli), ...task },
      {
        signal: cli.signal,
        onProgress: ({ stage, rows, file }) =>
          bar.show(
            stage === 'near' ? 1 : 0,
            cli.say(STAGES[stage] ?? 'datatool.progress', { rows, file }),
          ),
        ...(ask === undefined
          ? {}
          : {
              ask: async (questions, report) => {
                bar.end();
                return ask(questions, report);
              },
            }),
      },
    );
  } catch (error) {
    if (cli.signal.aborted) throw error;
    if (error instanceof CodedError) {
      const { code, param } = error;
      throw new Failure(retell(reasonOf(error), cli.say), { code, param, cause: error });
    }
    const reason = reasonOf(error);
    throw new Failure(cli.say('fail.child', { reason }), { code: 'internal', cause: error });
  } finally {
    bar.end();
  }
}

/** `\n` and `\t` as people type them in a shell. */
export const unescaped = (text: string) =>
  text.replaceAll(/\\([nrt\\])/g, (_, letter: string) =>
    letter === '\\' ? '\\' : { n: '\n', r: '\r', t: '\t' }[letter as 'n'],
  );
