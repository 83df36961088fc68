// tunery data rationale FILE --model M: asks a model to reason, keeps the rows whose reasoning ends in the
// right answer, and tells their share (STaR).
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { Rationales } from '../../data/documents/rationales.ts';
import { askFlags, leftOut, makeRows, withRows } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { input } from '../data-input.ts';

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
      const frame = { step: Step, ending: 'rationale', noInput: 'rationale.no_input' } as const;
      await withRows(cli, args, rawArgs, frame, async (rows, recipe) => {
        await makeRows<Rationales>(
          cli,
          args,
          { kind: 'rationale', ...rows },
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
