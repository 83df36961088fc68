// tunery data transform FILE …: one flag for each step. The steps run in the order of this list, or in
// that of a recipe.
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { Manifest, withPaths } from '../../data/transform/steps.ts';
import type { Transformed } from '../../data/transform/transform-data.ts';
import { wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { beside, input, languageOf, runTask, unescaped, withInput } from '../data-input.ts';
import { Failure, reasonOf, usageError } from '../failure.ts';
import { note, printJson, printLine } from '../output.ts';
import { unchanged } from '../recipe.ts';

export function transformCommand(cli: Cli) {
  const { say } = cli;
  const text = (key: Parameters<typeof say>[0], valueHint: string) =>
    ({ type: 'string', description: say(key), valueHint }) as const;
  const flag = (key: Parameters<typeof say>[0]) =>
    ({ type: 'boolean', description: say(key) }) as const;
  return defineCommand({
    meta: { name: 'transform', description: say('cli.data.transform') },
    args: {
      ...input(cli),
      file: { type: 'positional', description: say('arg.data_file'), required: false },
      output: { ...text('arg.transform_output', 'FILE'), alias: 'o' },
      recipe: text('arg.recipe', 'FILE'),
      seed: { ...text('arg.seed', 'N'), default: '1' },
      filter: text('arg.filter', 'EXPRESSION'),
      dedupe: { type: 'enum', options: ['exact', 'near'], description: say('arg.dedupe') },
      'dedupe-by': text('arg.dedupe_by', 'EXPRESSION'),
      redact: flag('arg.redact'),
      restore: text('arg.restore', 'MAP'),
      'redact-kinds': text('arg.redact_kinds', 'A,B'),
      'strip-prefix': flag('arg.strip_prefix'),
      separator: text('arg.separator', 'TEXT'),
      stop: text('arg.stop', 'TEXT'),
      'few-shot': text('arg.few_shot', 'N'),
      balance: { type: 'enum', options: ['under', 'over'], description: say('arg.balance') },
      'balance-by': text('arg.balance_by', 'EXPRESSION'),
      sample: text('arg.sample_amount', 'N|25%'),
      mix: text('arg.mix', 'FILE'),
      ratio: text('arg.ratio', '1:5'),
      repeat: flag('arg.repeat'),
      shuffle: flag('arg.shuffle'),
      bucket: text('arg.bucket', 'N'),
      curve: text('arg.curve', '25,50,100'),
      split: text('arg.split', '80/10/10'),
      'split-how': {
        type: 'enum',
        options: ['random', 'stratified', 'group', 'time'],
        description: say('arg.split_how'),
      },
      'split-by': text('arg.split_by', 'EXPRESSION'),
    },
    async run({ args, rawArgs }) {
      const { file } = args;
      if (args.recipe !== undefined) {
        const stray = rawArgs.find((flag) => /^--?[a-z]/i.test(flag) && !WITH_RECIPE.test(flag));
        if (stray !== undefined) throw usageError(say('usage.not_with_recipe', { flag: stray }));
        return repeatRecipe(
          cli,
          { recipe: args.recipe, file, output: args.output },
          args.json === true,
        );
      }
      if (file === undefined) throw usageError(say('transform.no_file'));
      const steps = stepsOf(cli, args);
      if (steps.length === 0) throw usageError(say('transform.no_steps'));
      const result = (await withInput(cli, file, (path) =>
        runTask(cli, {
          kind: 'transform',
          path,
          sheet: args.sheet,
          encoding: args.encoding,
          ...(file === '-' && { inputName: '-' }),
          output: resolve(args.output ?? beside(file, '_transformed.jsonl')),
          steps,
          seed: wholeNumber(say, '--seed', args.seed, 0, 2 ** 31),
        }),
      )) as Transformed;
      print(cli, result, args.json === true);
    },
  });
}

/** A recipe holds its steps and its seed. */
const WITH_RECIPE = /^(--recipe|--output|-o|--json|--lang)(=|$)/;

type Flags = Readonly<Record<string, unknown>>;

function stepsOf(cli: Cli, args: Flags): object[] {
  const { say } = cli;
  const text = (name: string) =>
    typeof args[name] === 'string' ? (args[name] as string) : undefined;
  const number = (name: string, min: number) =>
    wholeNumber(say, `--${name}`, text(name)!, min, 1e9);
  const needs = (name: string, other: string) => {
    if (args[name] !== undefined && args[name] !== false && args[other] === undefined)
      throw usageError(say('usage.needs_flag', { flag: `--${name}`, other: `--${other}` }));
  };
  needs('dedupe-by', 'dedupe');
  needs('balance-by', 'balance');
  needs('split-by', 'split');
  needs('split-how', 'split');
  needs('mix', 'ratio');
  needs('ratio', 'mix');
  needs('repeat', 'mix');
  needs('stop', 'separator');
  const kinds = text('redact-kinds')
    ?.split(',')
    .map((kind) => kind.trim());
  const steps: (object | null)[] = [
    text('filter') === undefined ? null : { do: 'filter', where: text('filter') },
    text('dedupe') === undefined
      ? null
      : { do: 'dedupe', how: text('dedupe'), by: text('dedupe-by') ?? 'row' },
    args['redact'] === true || kinds !== undefined
      ? { do: 'redact', ...(kinds && { kinds }) }
      : null,
    args['strip-prefix'] === true ? { do: 'strip-prefix' } : null,
    text('separator') === undefined
      ? null
      : {
          do: 'separator',
          separator: unescaped(text('separator')!),
          stop: unescaped(text('stop') ?? ''),
        },
    text('restore') === undefined ? null : { do: 'restore', map: resolve(text('restore')!) },
    text('few-shot') === undefined ? null : { do: 'few-shot', shots: number('few-shot', 1) },
    text('balance') === undefined
      ? null
      : { do: 'balance', how: text('balance'), by: text('balance-by') ?? 'label' },
    text('sample') === undefined ? null : { do: 'sample', ...amount(cli, text('sample')!) },
    text('mix') === undefined
      ? null
      : {
          do: 'mix',
          path: resolve(text('mix')!),
          ratio: text('ratio'),
          repeat: args['repeat'] === true,
        },
    args['shuffle'] === true ? { do: 'shuffle' } : null,
    text('bucket') === undefined ? null : { do: 'bucket', rows: number('bucket', 2) },
    text('curve') === undefined ? null : { do: 'curve', shares: sharesOf(cli, text('curve')!) },
    text('split') === undefined
      ? null
      : {
          do: 'split',
          parts: partsOf(cli, text('split')!),
          how: text('split-how') ?? 'random',
          ...(text('split-by') === undefined ? {} : { by: text('split-by') }),
        },
  ];
  return steps.filter((step) => step !== null);
}

function amount({ say }: Cli, text: string): object {
  const share = /^(\d+(?:\.\d+)?)\s*%$/.exec(text)?.[1];
  return share === undefined
    ? { rows: wholeNumber(say, '--sample', text, 1, 1e9) }
    : { share: Number(share) / 100 };
}

/** `25,50,100`, in percent. */
function sharesOf({ say }: Cli, text: string): number[] {
  const shares = text.split(',').map((part) => Number(part.trim().replace(/%$/, '')) / 100);
  if (shares.length < 2 || shares.some((share) => !(share > 0 && share <= 1)))
    throw usageError(say('usage.curve', { value: text }));
  return shares;
}

/** `80/10/10`, `90/10`, or `train=0.8,dev=0.2`. */
function partsOf({ say }: Cli, text: string): Record<string, number> {
  const named = text.split(',').map((part) => /^(\w+)=(\d+(?:\.\d+)?)$/.exec(part.trim()));
  if (named.every((match) => match !== null))
    return Object.fromEntries(named.map((match) => [match[1]!, Number(match[2])]));
  const shares = text.split('/').map(Number);
  const names = shares.length === 2 ? ['train', 'valid'] : ['train', 'valid', 'test'];
  const total = shares.reduce((sum, share) => sum + share, 0);
  if (
    shares.length < 2 ||
    shares.length > 3 ||
    !(total > 0) ||
    shares.some((share) => !(share > 0))
  )
    throw usageError(say('usage.split', { value: text }));
  return Object.fromEntries(names.map((name, i) => [name, shares[i]! / total]));
}

/** Runs the steps of a manifest again and tells whether the same bytes came out. */
async function repeatRecipe(
  cli: Cli,
  {
    recipe,
    file,
    output,
  }: { recipe: string; file: string | undefined; output: string | undefined },
  json: boolean,
): Promise<void> {
  const { say } = cli;
  const folder = dirname(resolve(recipe));
  let manifest: Manifest;
  try {
    manifest = Manifest.parse(JSON.parse(await readFile(recipe, 'utf8')));
  } catch (error) {
    throw new Failure(say('transform.bad_recipe', { path: recipe, reason: reasonOf(error) }), {
      code: 'bad_recipe',
    });
  }
  if (output === undefined && !recipe.endsWith('.manifest.json'))
    throw usageError(say('transform.name_output', { path: recipe }));
  const [main, ...others] = manifest.inputs as [Input, ...Input[]];
  if (file === undefined && main['name'] === '-') throw usageError(say('transform.name_input'));
  const place = (path: string) => join(folder, path);
  for (const input of others) await unchanged(cli, place(input.path), input.sha256);
  const result = (await withInput(cli, file ?? place(main.path), async (path) => {
    await unchanged(cli, path, main.sha256);
    return runTask(cli, {
      kind: 'transform',
      path,
      ...(main['name'] === '-' && { inputName: '-' }),
      sheet: main.sheet,
      encoding: main.encoding,
      output: resolve(output ?? recipe.replace(/\.manifest\.json$/, '')),
      steps: manifest.steps.map((step) => withPaths(step, place)),
      seed: manifest.seed,
      language: languageOf(cli),
    });
  })) as Transformed;
  print(cli, result, json);
  const same = manifest.outputs.every(({ sha256 }, i) => result.outputs[i]?.sha256 === sha256);
  note(cli, say(same ? 'transform.identical' : 'transform.different'));
  if (!same) throw new Failure(say('transform.different'), { code: 'not_reproduced' });
}

type Input = Manifest['inputs'][number];

function print(cli: Cli, result: Transformed, json: boolean): void {
  const { say } = cli;
  if (json) {
    printJson(cli, result);
    return;
  }
  for (const {
    do: name,
    rows_before: before,
    rows_after: after,
    removed_lines: lines,
    ...more
  } of result.steps) {
    const extra = Object.entries(more).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    printLine(
      cli,
      say('transform.step', { name, before, after }) +
        (extra.length > 0 ? ` (${extra.join(', ')})` : ''),
    );
    if (lines.length > 0)
      printLine(
        cli,
        `  ${say('transform.removed', { lines: lines.slice(0, 50).join(', ') + (lines.length > 50 ? ' …' : '') })}`,
      );
  }
  for (const { path, rows } of result.outputs)
    printLine(cli, say('transform.written', { path, rows }));
  printLine(cli, say('transform.manifest', { path: result.manifest }));
  if (result.redaction_map !== null)
    printLine(cli, say('datatool.map', { path: result.redaction_map }));
}
