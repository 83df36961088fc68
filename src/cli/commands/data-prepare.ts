// tunery data prepare FILE… : a file of any kind → rows that can be trained on. Without a server.
import { defineCommand } from 'citty';
import type { PartSource } from '../../data/prepare/mapping.ts';
import { MappingError, readMapping, unescapeTemplate } from '../../data/prepare/mapping.ts';
import { parseCondition } from '../../data/prepare/row-steps.ts';
import { TABLE_FORMATS } from '../../data/read-table/table.ts';
import { common, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { repeated } from '../command-line.ts';
import { usageError } from '../failure.ts';
import { runPrepare, sourceOf } from '../prepare-ui.ts';

const text = (description: string, valueHint = 'VALUE') =>
  ({ type: 'string', description, valueHint }) as const;

export function prepareCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'prepare', description: say('cli.data.prepare') },
    args: {
      files: { type: 'positional', description: say('arg.prepare_file'), required: true },
      quiet: { type: 'boolean', alias: 'q', description: say('arg.quiet') },
      fix: { type: 'boolean', description: say('arg.fix') },
      output: { ...text(say('arg.prepare_output'), 'PATH'), alias: 'o' },
      to: {
        type: 'enum',
        options: ['completion', 'chat'],
        description: say('arg.prepare_to'),
      },
      encoding: text(say('arg.encoding'), 'NAME'),
      sheet: text(say('arg.sheet'), 'NAME'),
      format: { type: 'enum', options: [...TABLE_FORMATS], description: say('arg.input_format') },
      'prompt-column': text(say('arg.prompt_column'), 'COLUMN'),
      'completion-column': text(say('arg.completion_column'), 'COLUMN'),
      'prompt-template': text(
        say('arg.prompt_template', { example: '"{title}\\n\\n{body}"' }),
        'TEXT',
      ),
      'completion-template': text(
        say('arg.completion_template', { example: '" {stars}"' }),
        'TEXT',
      ),
      map: text(say('arg.map'), 'FILE'),
      'save-map': text(say('arg.save_map'), 'FILE'),
      where: text(say('arg.where'), 'COLUMN=VALUE'),
      sample: text(say('arg.sample'), 'N'),
      seed: { ...text(say('arg.prepare_seed'), 'N'), default: '42' },
      system: text(say('arg.prepare_system'), 'TEXT'),
      name: text(say('arg.prepare_name'), 'NAME'),
      author: text(say('arg.prepare_author'), 'NAME'),
      dataset: text(say('arg.dataset'), 'NAME'),
      ...common(cli),
    },
    async run({ args, rawArgs }) {
      const saved = await mappingFrom(cli, args.map);
      const part = (name: 'prompt' | 'completion'): PartSource | null => {
        const column = args[`${name}-column`];
        const template = args[`${name}-template`];
        if (column !== undefined && template !== undefined)
          throw usageError(
            say('prepare.either', { a: `--${name}-column`, b: `--${name}-template` }),
          );
        if (column !== undefined) return { column };
        if (template !== undefined) return { template: unescapeTemplate(template) };
        return saved?.[name] ?? null;
      };
      const where = repeated(rawArgs, 'where').map((value) => {
        const condition = parseCondition(value);
        if (condition === null) throw usageError(say('prepare.bad_where', { value }));
        return condition;
      });
      if (args.system !== undefined && args.to === 'completion')
        throw usageError(say('prepare.system_needs_chat'));
      const named = await Promise.all(
        args._.map((file) => sourceOf(cli, file, args.dataset ?? null)),
      );
      const [rename = null] = named.flatMap((one) => (one.rename === null ? [] : [one.rename]));
      if (rename !== null && named.length > 1) throw usageError(say('prepare.dataset_alone'));
      await runPrepare(
        cli,
        named.map(({ source }) => source),
        {
          quiet: args.quiet === true,
          json: args.json === true,
          options: {
            legacy: false,
            fix: args.fix === true,
            table: { encoding: args.encoding, sheet: args.sheet, format: args.format },
            prompt: part('prompt'),
            completion: part('completion'),
            saveMap: args['save-map'] ?? null,
            to: args.to ?? null,
            system: args.system ?? null,
            where,
            sample:
              args.sample === undefined
                ? null
                : wholeNumber(say, '--sample', args.sample, 1, Number.MAX_SAFE_INTEGER),
            seed: wholeNumber(say, '--seed', args.seed, 0, 0xffffffff),
            names: { name: args.name, author: args.author },
            output: args.output ?? null,
            rename,
          },
        },
      );
    },
  });
}

async function mappingFrom(cli: Cli, path: string | undefined) {
  if (path === undefined) return null;
  try {
    return await readMapping(path);
  } catch (error) {
    const reason =
      error instanceof MappingError || error instanceof Error ? error.message : String(error);
    throw usageError(cli.say('prepare.bad_map', { path, reason }));
  }
}
