// tunery data overlap A B: how many of their commonest words two texts share.
import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import type { Cli } from '../cli.ts';
import { input, runTask, withInput } from '../data-input.ts';
import { printJson, printLine } from '../output.ts';

export function overlapCommand(cli: Cli) {
  const { say } = cli;
  const common = input(cli);
  return defineCommand({
    meta: { name: 'overlap', description: say('cli.data.overlap') },
    args: {
      file: common.file,
      other: { type: 'positional', description: say('arg.other_file'), required: true },
      sheet: common.sheet,
      encoding: common.encoding,
      json: common.json,
      lang: common.lang,
    },
    async run({ args }) {
      const { percent, words } = (await withInput(cli, args.file, (path) =>
        runTask(cli, {
          kind: 'overlap',
          path,
          sheet: args.sheet,
          encoding: args.encoding,
          other: resolve(args.other),
        }),
      )) as { readonly percent: number; readonly words: readonly [number, number] };
      if (args.json === true) return printJson(cli, { object: 'tunery.overlap', percent, words });
      printLine(cli, say('overlap.done', { percent, a: words[0], b: words[1] }));
    },
  });
}
