// tunery data convert FILE --to FORM: another form of the same rows, and what it cannot hold.
import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import type { Converted } from '../../data/convert/convert-data.ts';
import { SHAPES } from '../../data/convert/shapes.ts';
import { TARGETS, WRITE_DEFAULTS } from '../../data/convert/write.ts';
import { pairOf, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { repeated } from '../command-line.ts';
import { beside, input, runTask, unescaped, withInput } from '../data-input.ts';
import { note, printJson, printLine } from '../output.ts';

export function convertCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { name: 'convert', description: say('cli.data.convert') },
    args: {
      ...input(cli),
      to: { type: 'enum', options: [...TARGETS], description: say('arg.to'), required: true },
      from: { type: 'enum', options: [...SHAPES], description: say('arg.from') },
      output: {
        type: 'string',
        alias: 'o',
        description: say('arg.convert_output'),
        valueHint: 'FILE',
      },
      dataset: { type: 'string', description: say('arg.dataset_name'), valueHint: 'NAME' },
      system: { type: 'string', description: say('arg.convert_system'), valueHint: 'TEXT' },
      separator: {
        type: 'string',
        description: say('arg.separator'),
        default: String.raw`\n\n###\n\n`,
        valueHint: 'TEXT',
      },
      stop: { type: 'string', description: say('arg.stop'), valueHint: 'TEXT' },
      set: { type: 'string', description: say('arg.set'), valueHint: 'NAME=TEXT' },
      replace: { type: 'string', description: say('arg.replace'), valueHint: 'OLD=NEW' },
      key: { type: 'string', description: say('arg.map_keys'), valueHint: 'OWN=KNOWN' },
      sample: { type: 'string', description: say('arg.sample_rows'), valueHint: 'N' },
      seed: { type: 'string', description: say('arg.seed'), default: '1', valueHint: 'N' },
      'skip-bad': { type: 'boolean', description: say('arg.skip_bad') },
    },
    async run({ args, rawArgs }) {
      const pairs = (flag: string) =>
        repeated(rawArgs, flag).map((text) => pairOf(say, `--${flag}`, text));
      const target = args.to;
      const result = (await withInput(cli, args.file, (path) => {
        const output = args.output ?? beside(args.file, `_${target}.jsonl`);
        return runTask(cli, {
          kind: 'convert',
          path,
          sheet: args.sheet,
          encoding: args.encoding,
          set: args.dataset ?? null,
          from: args.from ?? null,
          to: target,
          output: resolve(output),
          system: args.system ?? null,
          separator: unescaped(args.separator),
          stop: args.stop === undefined ? WRITE_DEFAULTS.stop : unescaped(args.stop),
          fill: Object.fromEntries(pairs('set')),
          replace: pairs('replace'),
          map: Object.fromEntries(pairs('key')),
          sample:
            args.sample === undefined ? null : wholeNumber(say, '--sample', args.sample, 1, 1e9),
          seed: wholeNumber(say, '--seed', args.seed, 0, 2 ** 31),
          skipBad: args['skip-bad'] === true,
        });
      })) as Converted;
      print(cli, result, args.json === true);
    },
  });
}

function print(cli: Cli, result: Converted, json: boolean): void {
  const { say } = cli;
  const lost = result.lost.map((item) => ({ ...item, message: say(item.key, item.params) }));
  if (json) {
    printJson(cli, { object: 'tunery.data_conversion', ...result, lost });
    return;
  }
  const { path, rows, read, from, to } = result;
  printLine(cli, say('convert.done', { path, rows, read, from: from ?? '?', to }));
  for (const { message, rows: count } of lost)
    printLine(cli, `  ${say('convert.lost_rows', { message, rows: count })}`);
  if (lost.length === 0) printLine(cli, `  ${say('convert.lossless')}`);
  for (const { line, reason } of result.skipped)
    note(cli, say('convert.skipped', { line, reason }));
  if (result.placeholders_left > 0)
    note(cli, say('convert.placeholders', { rows: result.placeholders_left }));
}
