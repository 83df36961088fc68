// Commands that ask a model: their flags, running the task, what the answers cost.
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { z } from 'zod';
import type { AskSettings, Plan, Told } from '../data/documents/ask.ts';
import { endpointAsker, shown } from '../data/documents/endpoint.ts';
import type { Made } from '../data/documents/made-rows.ts';
import type { DataTask } from '../jobs/data-protocol.ts';
import { runDataTask } from '../jobs/data-tasks.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { MessageKey } from '../messages/en.ts';
import type { Params } from '../messages/say.ts';
import { decimal, remote, wholeNumber } from './arguments.ts';
import type { Cli } from './cli.ts';
import { apiKey, checkedBaseUrl } from './client.ts';
import { languageOf, withInput } from './data-input.ts';
import { Failure, reasonOf, usageError } from './failure.ts';
import { note, printJson, printLine } from './output.ts';
import { progress } from './progress.ts';
import { compareOutputs, readRecipe } from './recipe.ts';

/** `temperature`: where nothing else is said. */
export const askFlags = (cli: Cli, temperature = '0.3') => {
  const { say } = cli;
  const text = (key: Parameters<typeof say>[0], standard: string, valueHint: string) =>
    ({ type: 'string', description: say(key), default: standard, valueHint }) as const;
  return {
    model: {
      type: 'string',
      alias: 'm',
      description: say('arg.model'),
      valueHint: 'NAME',
    },
    'max-tokens': text('arg.max_tokens', '1024', 'N'),
    temperature: text('arg.temperature', temperature, 'X'),
    seed: text('arg.ask_seed', '1', 'N|none'),
    parallel: text('arg.parallel', '1', 'N'),
    timeout: text('arg.timeout', '300', 'SECONDS'),
    'price-in': text('arg.price_in', '0', 'X'),
    'price-out': text('arg.price_out', '0', 'X'),
    'dry-run': { type: 'boolean', description: say('arg.dry_run') },
    ...remote(cli),
  } as const;
};

type Flags = { readonly model?: string | undefined } & Readonly<
  Record<
    | 'max-tokens'
    | 'temperature'
    | 'seed'
    | 'parallel'
    | 'timeout'
    | 'price-in'
    | 'price-out'
    | 'base-url',
    string
  >
>;

type Recipe = {
  readonly step: {
    readonly model: string;
    readonly temperature: number;
    readonly max_tokens: number;
  };
  readonly seed: number | null;
};

/** `output`: the answers are remembered beside it. With a recipe, its values count and not the flags'. */
export function settingsOf(
  { say }: Cli,
  args: Flags,
  output: string,
  recipe: Recipe | null,
): AskSettings {
  const model = recipe?.step.model ?? args.model;
  if (model === undefined) throw usageError(say('ask.no_model'));
  const more = {
    model,
    endpoint: shown(checkedBaseUrl(say, args['base-url'])),
    parallel: wholeNumber(say, '--parallel', args.parallel, 1, 64),
    memory: `${output}.answers.jsonl`,
  };
  if (recipe !== null) {
    const { temperature, max_tokens: maxTokens } = recipe.step;
    return { ...more, temperature, maxTokens, seed: recipe.seed };
  }
  return {
    ...more,
    maxTokens: wholeNumber(say, '--max-tokens', args['max-tokens'], 16, 1e6),
    temperature: decimal(say, '--temperature', args.temperature, 0, 2),
    seed: args.seed === 'none' ? null : wholeNumber(say, '--seed', args.seed, 0, 2 ** 31 - 1),
  };
}

type RowsFlags = Flags & {
  readonly file?: string | undefined;
  readonly sheet?: string | undefined;
  readonly encoding?: string | undefined;
  readonly output?: string | undefined;
  readonly recipe?: string | undefined;
  readonly 'dry-run'?: boolean | undefined;
};
type RowsStep = Recipe['step'] & {
  readonly sheet?: string | undefined;
  readonly encoding?: string | undefined;
};

/** The rows of a file that a model is asked about, as flags or a recipe of `step` say: where they are, and
 *  where the new ones go (beside them as `…_ENDING.jsonl`, where nothing else is said). */
export async function withRows<S extends z.ZodType<RowsStep>>(
  cli: Cli,
  args: RowsFlags,
  rawArgs: readonly string[],
  { step, ending, noInput }: { step: S; ending: string; noInput: MessageKey },
  use: (rows: Rows, recipe: Awaited<ReturnType<typeof readRecipe<S>>> | null) => Promise<void>,
): Promise<void> {
  const recipe =
    args.recipe === undefined ? null : await readRecipe(cli, args.recipe, step, rawArgs);
  const from = recipe?.inputs[0]?.path ?? args.file;
  if (from === undefined) throw usageError(cli.say(noInput));
  await withInput(cli, from, async (path) => {
    const beside = from === '-' ? resolve('stdin') : path;
    const output = resolve(
      args.output ??
        recipe?.output ??
        join(dirname(beside), `${basename(beside, extname(beside))}_${ending}.jsonl`),
    );
    const rows = {
      path,
      name: recipe?.inputs[0]?.file ?? from,
      sheet: recipe?.step.sheet ?? args.sheet,
      encoding: recipe?.step.encoding ?? args.encoding,
      output,
      dryRun: args['dry-run'] === true,
      settings: settingsOf(cli, args, output, recipe),
    };
    await use(rows, recipe);
  });
}

type Rows = {
  readonly path: string;
  readonly name: string;
  readonly sheet: string | undefined;
  readonly encoding: string | undefined;
  readonly output: string;
  readonly dryRun: boolean;
  readonly settings: AskSettings;
};

type Used = { readonly prompt_tokens: number; readonly completion_tokens: number };

/** Money for tokens, by prices per million. */
function costOf(cli: Cli, args: Flags): (used: Used) => number {
  const [per, out] = (['price-in', 'price-out'] as const).map((name) =>
    decimal(cli.say, `--${name}`, args[name], 0, 1e6),
  ) as [number, number];
  return (used) =>
    Number(((used.prompt_tokens * per + used.completion_tokens * out) / 1e6).toFixed(4));
}

type Making<Result> = {
  readonly done: (result: Result, params: Params) => string;
  /** Told when there is no row; `path` is where the replies are. */
  readonly none: (result: Result, path: string) => string;
  /** What else a reader should know. */
  readonly remarks?: (result: Result) => readonly string[];
  /** Outputs of an earlier run, to compare with. */
  readonly before?: readonly { readonly sha256: string }[] | undefined;
};

/** A command that makes rows, from the plan to the last line. */
export async function makeRows<Result extends Made>(
  cli: Cli,
  args: Flags & { readonly json?: boolean | undefined },
  task: AskingTask,
  { done, none, remarks = () => [], before }: Making<Result>,
): Promise<void> {
  const { say } = cli;
  const json = args.json === true;
  const costFor = costOf(cli, args);
  let plan: Plan | null = null;
  const result = (await runAsking(cli, args, task, (told) => {
    plan = told;
    tellPlan(cli, told, costFor(told), task.kind === 'documents' ? 'documents.plan' : 'ask.plan');
  })) as Result | null;
  if (result === null) {
    const told = plan! as Plan; // told before the task ends
    if (json) printJson(cli, { object: `tunery.${task.kind}_plan`, ...told, cost: costFor(told) });
    return;
  }
  const { output, provenance, manifest, rejected } = result;
  if (output === null || provenance === null || manifest === null)
    throw new Failure(none(result, rejected ?? ''), { code: 'no_rows' });
  const cost = costFor(result);
  if (json) printJson(cli, { ...result, cost });
  else {
    printLine(cli, done(result, { path: output, rows: result.rows, cost }));
    for (const remark of remarks(result)) printLine(cli, remark);
    if (rejected !== null) printLine(cli, say('ask.rejected', { path: rejected }));
    printLine(cli, say('ask.provenance', { path: provenance }));
    printLine(cli, say('transform.manifest', { path: manifest }));
  }
  if (before !== undefined) await compareOutputs(cli, before, manifest);
}

/** A remark about rows that hold nothing to ask. */
export function leftOut({ say }: Cli, lines: readonly number[]): string[] {
  if (lines.length === 0) return [];
  const first = lines.slice(0, 20).join(', ') + (lines.length > 20 ? ', …' : '');
  return [say('ask.left_out', { count: lines.length, lines: first })];
}

/** What it will take, before the first question is asked. */
function tellPlan(
  cli: Cli,
  { questions, prompt_tokens: tokens, files }: Plan,
  cost: number,
  key: 'documents.plan' | 'ask.plan',
): void {
  const { say } = cli;
  note(cli, say(key, { questions, files: files.length, tokens, cost }));
  for (const { file, license, notes } of files) {
    if (key === 'documents.plan' && notes.length === 0)
      note(cli, say('documents.license', { file, license: license ?? say('documents.unknown') }));
    for (const text of notes) note(cli, say('documents.note', { file, note: text }));
  }
}

type AskingTask = Extract<DataTask, { settings: unknown }>;

/** Runs the task with the model behind `--base-url`; on a failure, says that the same command goes on. */
async function runAsking(
  cli: Cli,
  args: Flags,
  task: AskingTask,
  onPlan: (plan: Plan) => void,
): Promise<unknown> {
  const { say, signal } = cli;
  const cost = costOf(cli, args);
  const bar = progress(cli.stderr, Date.now);
  const ask = endpointAsker(
    {
      baseUrl: checkedBaseUrl(say, args['base-url']),
      apiKey: apiKey(cli.env) ?? null,
      say,
      timeoutMs: 1000 * wholeNumber(say, '--timeout', args.timeout, 1, 300),
      onWait: (wait) => {
        bar.end();
        note(cli, say('ask.waiting', wait));
      },
    },
    signal,
  );
  let remembered = 0;
  const onTold = (told: Told) => {
    remembered = told.remembered;
    const used = { prompt_tokens: told.promptTokens, completion_tokens: told.completionTokens };
    const text = say('ask.progress', { ...told, cost: cost(used) });
    bar.show(told.done / told.of, text);
  };
  try {
    return await runDataTask(
      { language: languageOf(cli), ...task },
      { signal, model: { ask, onPlan, onTold, say } },
    );
  } catch (error) {
    bar.end();
    if (signal.aborted)
      throw new Failure(say('ask.interrupted'), {
        exitCode: 130,
        code: 'interrupted',
        cause: error,
      });
    if (!(error instanceof CodedError)) throw error;
    if (await holdsAnswers(task.settings.memory)) note(cli, say('ask.kept'));
    const { code, param } = error;
    const exitCode = code === 'unreachable' ? 3 : 1;
    throw new Failure(reasonOf(error), { exitCode, code, param, cause: error });
  } finally {
    bar.end();
    if (remembered > 0) note(cli, say('ask.remembered', { count: remembered }));
  }
}

const holdsAnswers = async (path: string) => existsSync(path) && (await stat(path)).size > 0;
