// tunery data distil FILE --model TEACHER: the answers of a teacher to the questions of a file, as chat rows
// that a smaller model can learn from.
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { Distilled } from '../../data/documents/distil.ts';
import { askFlags, leftOut, makeRows, withRows } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { input } from '../data-input.ts';

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
      const frame = { step: Step, ending: 'distilled', noInput: 'distil.no_input' } as const;
      await withRows(cli, args, rawArgs, frame, async (rows, recipe) => {
        await makeRows<Distilled>(
          cli,
          args,
          {
            kind: 'distil',
            ...rows,
            system: recipe === null ? (args.system ?? null) : recipe.step.system,
            inline: recipe?.step.inline ?? args.inline === true,
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
