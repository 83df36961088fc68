// tunery data preview FILE --model M: what the model will see, and what of it is learned.
import { resolve } from 'node:path';
import { defineCommand } from 'citty';
import type { PreviewRow } from '../../data/preview/preview.ts';
import { previewHtml, previewText } from '../../data/preview/show.ts';
import { writeTextTo } from '../../data/source/write-rows.ts';
import { wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { input, modelFlags, modelPath, runTask, withInput } from '../data-input.ts';
import { Failure } from '../failure.ts';
import { note, printJson, printLine } from '../output.ts';

export function previewCommand(cli: Cli) {
  const { say } = cli;
  const models = modelFlags(cli);
  return defineCommand({
    meta: { name: 'preview', description: say('cli.data.preview') },
    args: {
      ...input(cli),
      ...models,
      model: { ...models.model, description: say('arg.preview_model'), required: true },
      rows: { type: 'string', description: say('arg.preview_rows'), valueHint: '1,5,7' },
      count: {
        type: 'string',
        description: say('arg.preview_count'),
        default: '3',
        valueHint: 'N',
      },
      tokens: { type: 'boolean', description: say('arg.preview_tokens') },
      html: { type: 'string', description: say('arg.preview_html'), valueHint: 'FILE' },
      color: {
        type: 'enum',
        options: ['auto', 'always', 'never'],
        default: 'auto',
        description: say('arg.color'),
      },
    },
    async run({ args, rawArgs }) {
      const model = await modelPath(cli, args.model, args['data-dir'], rawArgs);
      const context = args['context-length'];
      const numbers = args.rows
        ?.split(',')
        .map((part) => wholeNumber(say, '--rows', part.trim(), 1, 1e9));
      const rows = (await withInput(cli, args.file, (path) =>
        runTask(cli, {
          kind: 'preview',
          path,
          sheet: args.sheet,
          encoding: args.encoding,
          model,
          contextLength:
            context === undefined ? null : wholeNumber(say, '--context-length', context, 8, 1e7),
          rows: numbers ?? null,
          count: wholeNumber(say, '--count', args.count, 1, 1000),
        }),
      )) as readonly PreviewRow[];
      if (rows.length === 0)
        throw new Failure(say('preview.nothing'), { code: 'no_such_row', param: 'rows' });
      const tokens = args.tokens === true;
      if (args.html !== undefined) {
        await writeTextTo(resolve(args.html), previewHtml(rows, say, tokens));
        note(cli, say('written', { path: args.html }));
      }
      const terminal = cli.stdout.isTTY === true && cli.env['NO_COLOR'] === undefined;
      const color = args.color === 'always' || (args.color === 'auto' && terminal);
      if (args.json === true) printJson(cli, { object: 'tunery.data_preview', data: rows });
      else for (const line of previewText(rows, say, { color, tokens })) printLine(cli, line);
      const missing = numbers?.filter((number) => !rows.some(({ row }) => row === number)) ?? [];
      if (missing.length > 0)
        throw new Failure(say('preview.missing', { rows: missing.join(', ') }), {
          code: 'no_such_row',
          param: 'rows',
        });
      const bad = rows.filter(({ problem }) => problem !== null).length;
      if (bad > 0) throw new Failure(say('preview.problems', { count: bad }), { code: 'bad_rows' });
    },
  });
}
