// tunery export MODEL --format peft|merged|gguf-adapter --output DIR: the server writes the files, so
// it must run on this machine.
import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import { remote } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { connect } from '../client.ts';
import { printJson, printLine } from '../output.ts';

const Exported = z.looseObject({
  model: z.string(),
  format: z.string(),
  output: z.string(),
  files: z.array(z.string()),
});

export function exportCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'export', description: say('cli.export') },
    args: {
      model: { type: 'positional', description: say('arg.model'), required: true },
      format: {
        type: 'enum',
        alias: 'f',
        options: ['peft', 'merged', 'gguf-adapter'],
        description: say('arg.format'),
        default: 'peft',
      },
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.export_output'),
        required: true,
        valueHint: 'DIR',
      },
      ...remote(cli),
    },
    async run({ args }) {
      const client = connect(cli, args['base-url']);
      const body = { model: args.model, format: args.format, output: resolve(args.output) };
      const done = await client.own('/export', body, Exported);
      if (args.json) return printJson(cli, done);
      const { model, format, output } = done;
      printLine(cli, say('export.done', { model, format, path: output }));
      for (const file of done.files) printLine(cli, `  ${file}`);
    },
  });
}
