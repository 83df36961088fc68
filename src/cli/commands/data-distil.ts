// tunery data distil FILE --model TEACHER: the answers of a teacher to the questions of a file, as chat rows
// that a smaller model can learn from.
import { basename, dirname, extname, join, resolve } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { Distilled } from '../../data/documents/distil.ts';
import { askFlags, leftOut, makeRows, settingsOf } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { input, withInput } from '../data-input.ts';
import { usageError } from '../failure.ts';
import { readRecipe } from '../recipe.ts';

export function distilCommand(cli: Cli) {
  const { say } = cli;
  const common = input(cli);
  return defineCommand({
    meta: { name: 'distil', description: say('cli.data.distil') },
    args: {
      file: { ...common.file, required: false },
      sheet: common.sheet,
      encoding: common.encoding,
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.distil_output'),
        valueHint: 'FILE',
      },
      system: { type: 'string', description: say('arg.convert_system'), valueHint: 'TEXT' },
      inline: { type: 'boolean', description: say('arg.inline') },
      recipe: { type: 'string', description: say('arg.ask_recipe'), valueHint: 'FILE' },
      ...askFlags(cli),
    },
    async run({ args, rawArgs }) {
      const recipe =
        args.recipe === undefined ? null : await readRecipe(cli, args.recipe, Step, rawArgs);
      const step = recipe?.step;
      const from = recipe?.inputs[0]?.path ?? args.file;
      if (from === undefined) throw usageError(say('distil.no_input'));
      await withInput(cli, from, async (path) => {
        const beside = from === '-' ? resolve('stdin') : path;
        const output = resolve(
          args.output ??
            recipe?.output ??
            join(dirname(beside), `${basename(beside, extname(beside))}_distilled.jsonl`),
        );
        await makeRows<Distilled>(
          cli,
          args,
          {
            kind: 'distil',
            path,
            name: recipe?.inputs[0]?.file ?? from,
            sheet: step?.sheet ?? args.sheet,
            encoding: step?.encoding ?? args.encoding,
            output,
            system: step === undefined ? (args.system ?? null) : step.system,
            inline: step?.inline ?? args.inline === true,
            dryRun: args['dry-run'] === true,
            settings: settingsOf(cli, args, output, recipe),
          },
          {
            done: ({ asked }, params) => say('distil.done', { ...params, asked }),
            none: (_, where) => say('distil.none', { path: where }),
            remarks: ({ left_out: lines, shortened }) => [
              ...leftOut(cli, lines),
              ...(shortened > 0 ? [say('distil.shortened', { count: shortened })] : []),
            ],
            before: recipe?.outputs,
          },
        );
      });
    },
  });
}

const Step = z.looseObject({
  do: z.literal('distil'),
  model: z.string(),
  temperature: z.number(),
  max_tokens: z.int(),
  system: z.string().nullable(),
  inline: z.boolean(),
  sheet: z.string().optional(),
  encoding: z.string().optional(),
});
