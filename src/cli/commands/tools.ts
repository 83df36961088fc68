// tunery tools fine_tunes.prepare_data -f FILE [-q] : the legacy spelling of `tunery data prepare`.
import { defineCommand } from 'citty';
import { common } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { runPrepare, sourceOf } from '../prepare-ui.ts';

export function toolsCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'tools', description: say('cli.tools') },
    subCommands: {
      'fine_tunes.prepare_data': defineCommand({
        meta: { description: say('cli.tools.prepare') },
        args: {
          file: {
            type: 'string',
            alias: 'f',
            required: true,
            description: say('arg.prepare_legacy_file'),
            valueHint: 'FILE',
          },
          quiet: { type: 'boolean', alias: 'q', description: say('arg.quiet') },
          fix: { type: 'boolean', description: say('arg.fix') },
          encoding: { type: 'string', description: say('arg.encoding'), valueHint: 'NAME' },
          sheet: { type: 'string', description: say('arg.sheet'), valueHint: 'NAME' },
          ...common(cli),
        },
        async run({ args }) {
          const { source, rename } = await sourceOf(cli, args.file, null);
          await runPrepare(cli, [source], {
            quiet: args.quiet === true,
            json: args.json === true,
            options: {
              legacy: true,
              fix: args.fix === true,
              table: { encoding: args.encoding, sheet: args.sheet },
              prompt: null,
              completion: null,
              saveMap: null,
              to: 'completion',
              system: null,
              where: [],
              sample: null,
              seed: 42,
              names: {},
              output: null,
              rename,
            },
          });
        },
      }),
    },
  });
}
