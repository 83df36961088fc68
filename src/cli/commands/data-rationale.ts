// tunery data rationale FILE --model M: asks a model to reason, keeps the rows whose reasoning ends in the
// right answer, and tells their share (STaR).
import { basename, dirname, extname, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { Plan } from '../../data/documents/ask.ts';
import type { Rationales } from '../../data/documents/rationales.ts';
import { askFlags, costOf, planJson, runAsking, settingsOf, tellPlan } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { input, withInput } from '../data-input.ts';
import { Failure, usageError } from '../failure.ts';
import { printJson, printLine } from '../output.ts';
import { compareOutputs, readRecipe } from '../recipe.ts';

export function rationaleCommand(cli: Cli) {
  const { say } = cli;
  const common = input(cli);
  return defineCommand({
    meta: { name: 'rationale', description: say('cli.data.rationale') },
    args: {
      file: { ...common.file, required: false },
      sheet: common.sheet,
      encoding: common.encoding,
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.rationale_output'),
        valueHint: 'FILE',
      },
      recipe: { type: 'string', description: say('arg.ask_recipe'), valueHint: 'FILE' },
      ...askFlags(cli),
    },
    async run({ args }) {
      const recipe = args.recipe === undefined ? null : await readRecipe(cli, args.recipe, Step);
      const from = recipe?.inputs[0]?.path ?? args.file;
      if (from === undefined) throw usageError(say('rationale.no_input'));
      await withInput(cli, from, async (path) => {
        const beside = from === '-' ? resolve('stdin') : path;
        const output = resolve(
          args.output ??
            recipe?.output ??
            join(dirname(beside), `${basename(beside, extname(beside))}_rationale.jsonl`),
        );
        let plan: Plan | null = null;
        const result = (await runAsking(
          cli,
          args,
          {
            kind: 'rationale',
            path,
            name: from,
            sheet: recipe?.step.sheet ?? args.sheet,
            encoding: recipe?.step.encoding ?? args.encoding,
            output,
            dryRun: args['dry-run'] === true,
            settings: settingsOf(cli, args, output, recipe),
          },
          (told) => {
            plan = told;
            tellPlan(cli, args, told, 'rationale.plan');
          },
        )) as Rationales | null;
        if (result === null) {
          if (args.json === true) printJson(cli, planJson(cli, args, plan!, 'rationale'));
          return;
        }
        const manifest = print(cli, result, costOf(cli, args)(result), args.json === true);
        if (recipe !== null) await compareOutputs(cli, recipe.outputs, manifest);
      });
    },
  });
}

const Step = z.looseObject({
  do: z.literal('rationale'),
  model: z.string(),
  temperature: z.number(),
  max_tokens: z.int(),
  sheet: z.string().optional(),
  encoding: z.string().optional(),
});

/** Returns the manifest's path. */
function print(cli: Cli, result: Rationales, cost: number, json: boolean): string {
  const { say } = cli;
  const { output: path, kept, asked, share, left_out: left, rejected, manifest } = result;
  if (path === null || manifest === null)
    throw new Failure(say('rationale.none', { asked, path: rejected ?? '' }), { code: 'no_rows' });
  if (json) {
    printJson(cli, { ...result, cost });
    return manifest;
  }
  const percent = (100 * share).toFixed(1);
  printLine(cli, say('rationale.done', { path, kept, asked, percent, cost }));
  if (left.length > 0) {
    const lines = left.slice(0, 20).join(', ') + (left.length > 20 ? ', …' : '');
    printLine(cli, say('rationale.left_out', { count: left.length, lines }));
  }
  if (rejected !== null) printLine(cli, say('ask.rejected', { path: rejected }));
  printLine(cli, say('transform.manifest', { path: manifest }));
  return manifest;
}
