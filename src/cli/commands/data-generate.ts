// tunery data generate --topic TEXT --model M: rows about a topic that a model invents, in the form of an
// example.
import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import type { Generated } from '../../data/documents/generate.ts';
import { wholeNumber } from '../arguments.ts';
import { askFlags, makeRows, settingsOf } from '../ask-model.ts';
import type { Cli } from '../cli.ts';
import { withInput } from '../data-input.ts';
import { usageError } from '../failure.ts';
import { readRecipe } from '../recipe.ts';

export function generateCommand(cli: Cli) {
  const { say } = cli;
  const text = (key: Parameters<typeof say>[0], valueHint: string) =>
    ({ type: 'string', description: say(key), valueHint }) as const;
  return defineCommand({
    meta: { name: 'generate', description: say('cli.data.generate') },
    args: {
      topic: text('arg.topic', 'TEXT'),
      aspects: text('arg.aspects', 'A,B'),
      count: { ...text('arg.generate_count', 'N'), default: '15' },
      like: text('arg.like', 'FILE'),
      turns: text('arg.turns', 'N'),
      language: text('arg.generate_language', 'NAME'),
      system: text('arg.generate_system', 'TEXT'),
      output: { ...text('arg.generate_output', 'FILE'), alias: 'o' },
      inline: { type: 'boolean', description: say('arg.inline') },
      recipe: text('arg.ask_recipe', 'FILE'),
      ...askFlags(cli, '0.9'), // rows should differ
    },
    async run({ args, rawArgs }) {
      const recipe =
        args.recipe === undefined ? null : await readRecipe(cli, args.recipe, Step, rawArgs);
      const step = recipe?.step;
      const topic = step?.topic ?? args.topic;
      if (topic === undefined || topic.trim() === '') throw usageError(say('generate.no_topic'));
      const output = resolve(args.output ?? recipe?.output ?? 'generated.jsonl');
      const make = (like: { path: string; name: string } | null) =>
        makeRows<Generated>(
          cli,
          args,
          {
            kind: 'generate',
            topic,
            aspects: step?.aspects ?? listOf(args.aspects),
            count: step?.count ?? wholeNumber(say, '--count', args.count, 1, 100_000),
            like,
            turns: step?.turns ?? turnsOf(args.turns),
            questionLanguage: step === undefined ? (args.language ?? null) : step.language,
            system: step === undefined ? (args.system ?? null) : step.system,
            inline: step?.inline ?? args.inline === true,
            output,
            dryRun: args['dry-run'] === true,
            settings: settingsOf(cli, args, output, recipe),
          },
          {
            done: ({ wanted }, params) => say('generate.done', { ...params, wanted }),
            none: (_, path) => say('generate.none', { path }),
            before: recipe?.outputs,
          },
        );
      const like = recipe === null ? args.like : recipe.inputs[0]?.path;
      if (like === undefined) await make(null);
      else await withInput(cli, like, (path) => make({ path, name: like }));
    },
  });

  function turnsOf(value: string | undefined): number | null {
    return value === undefined ? null : wholeNumber(say, '--turns', value, 1, 50);
  }
}

const listOf = (text: string | undefined) =>
  (text ?? '')
    .split(/[,，、]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');

const Step = z.looseObject({
  do: z.literal('generate'),
  model: z.string(),
  temperature: z.number(),
  max_tokens: z.int(),
  topic: z.string(),
  aspects: z.array(z.string()),
  count: z.int().min(1),
  turns: z.int().min(1),
  language: z.string().nullable(),
  system: z.string().nullable(),
  inline: z.boolean(),
});
