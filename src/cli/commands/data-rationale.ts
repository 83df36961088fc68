// tunery data rationale FILE --model M: asks a model to reason, keeps the rows whose reasoning ends in the
// right answer, and tells their share (STaR).
import { basename, dirname, extname, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { Rationales } from '../../data/documents/rationales.ts';
import { askFlags, leftOut, makeRows, settingsOf } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { input, withInput } from '../data-input.ts';
import { usageError } from '../failure.ts';
import { readRecipe } from '../recipe.ts';

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
    async run({ args, rawArgs }) {
      const recipe =
        args.recipe === undefined ? null : await readRecipe(cli, args.recipe, Step, rawArgs);
      const from = recipe?.inputs[0]?.path ?? args.file;
      if (from === undefined) throw usageError(say('rationale.no_input'));
      await withInput(cli, from, async (path) => {
        const beside = from === '-' ? resolve('stdin') : path;
        const output = resolve(
          args.output ??
            recipe?.output ??
            join(dirname(beside), `${basename(beside, extname(beside))}_rationale.jsonl`),
        );
        await makeRows<Rationales>(
          cli,
          args,
          {
            kind: 'rationale',
            path,
            name: recipe?.inputs[0]?.file ?? from,
            sheet: recipe?.step.sheet ?? args.sheet,
            encoding: recipe?.step.encoding ?? args.encoding,
            output,
            dryRun: args['dry-run'] === true,
            settings: settingsOf(cli, args, output, recipe),
          },
          {
            done: ({ asked, kept, share }, params) =>
              say('rationale.done', { ...params, asked, kept, percent: (100 * share).toFixed(1) }),
            none: ({ asked }, where) => say('rationale.none', { asked, path: where }),
            remarks: ({ left_out: lines }) => leftOut(cli, lines),
            before: recipe?.outputs,
          },
        );
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
