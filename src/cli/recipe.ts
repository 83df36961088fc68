// A manifest of an earlier run as a recipe: its inputs must be the same, and what comes out is compared.
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { sha256Of } from '../data/source/manifest.ts';
import type { Cli } from './cli.ts';
import { Failure, reasonOf, usageError } from './failure.ts';
import { note } from './output.ts';

const file = z.looseObject({
  path: z.string(),
  sha256: z.string(),
  /** What the rows call it. */
  file: z.string().optional(),
});

/** The manifest of one step; its paths made absolute. Throws Failure when an input has changed. */
export async function readRecipe<S extends z.ZodType>(
  cli: Cli,
  recipe: string,
  step: S,
  rawArgs: readonly string[],
) {
  const { say } = cli;
  refuseOthers(cli, rawArgs);
  const folder = dirname(resolve(recipe));
  const Manifest = z.looseObject({
    object: z.literal('tunery.data_manifest'),
    seed: z.int().nullable(),
    steps: z.tuple([step]),
    inputs: z.array(file),
    outputs: z.array(file),
  });
  let manifest: z.output<typeof Manifest>;
  try {
    manifest = Manifest.parse(JSON.parse(await readFile(recipe, 'utf8')));
  } catch (error) {
    throw new Failure(say('transform.bad_recipe', { path: recipe, reason: reasonOf(error) }), {
      code: 'bad_recipe',
    });
  }
  const inputs = manifest.inputs.map(({ path, ...rest }) => ({
    ...rest,
    path: join(folder, path),
  }));
  for (const { path, sha256 } of inputs) await unchanged(cli, path, sha256);
  return {
    step: manifest.steps[0] as z.output<S>,
    seed: manifest.seed,
    inputs,
    outputs: manifest.outputs,
    /** What the manifest stands beside. */
    output: resolve(recipe).replace(/\.manifest\.json$/, ''),
  };
}

/** Throws Failure unless the bytes of `path` are those that the recipe was made with. */
export async function unchanged({ say }: Cli, path: string, expected: string): Promise<void> {
  const got = await sha256Of(path).catch((error: Error) => {
    throw new Failure(say('error.file', { path, reason: error.message }), {
      code: 'file_not_found',
    });
  });
  if (got !== expected)
    throw new Failure(say('transform.changed_input', { path, got, expected }), {
      code: 'input_changed',
    });
}

/** What the recipe says already must not seem to count on the command line too. */
function refuseOthers({ say }: Cli, rawArgs: readonly string[]): void {
  for (const word of rawArgs) {
    const flag = /^-{1,2}[a-z][\w-]*/.exec(word)?.[0];
    if (flag !== undefined && !BESIDE.includes(flag))
      throw usageError(say('usage.either', { one: '--recipe', other: flag }));
  }
}

const BESIDE =
  '-o --output --recipe --base-url --parallel --timeout --price-in --price-out --dry-run --json'.split(
    ' ',
  );

/** Throws Failure unless the outputs that `manifest` names now are those of the recipe. */
export async function compareOutputs(
  cli: Cli,
  before: readonly { readonly sha256: string }[],
  manifest: string,
): Promise<void> {
  const { outputs } = z
    .looseObject({ outputs: z.array(file) })
    .parse(JSON.parse(await readFile(manifest, 'utf8')));
  const same =
    outputs.length === before.length &&
    before.every(({ sha256 }, i) => outputs[i]?.sha256 === sha256);
  if (!same) throw new Failure(cli.say('transform.different'), { code: 'not_reproduced' });
  note(cli, cli.say('transform.identical'));
}
