// tunery files upload | list | get | content | delete
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { defineCommand } from 'citty';
import { remote, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { connect } from '../client.ts';
import { Failure, reasonOf } from '../failure.ts';
import { formatTime, note, printJson, printLine, printTable } from '../output.ts';
import { Deleted, FileObject, listOf } from '../wire.ts';

export function filesCommand(cli: Cli) {
  const { say } = cli;
  const id = { type: 'positional', description: say('arg.file_id'), required: true } as const;
  return defineCommand({
    meta: { name: 'files', description: say('cli.files') },
    subCommands: {
      upload: defineCommand({
        meta: { description: say('cli.files.upload') },
        args: {
          file: { type: 'positional', description: say('arg.file'), required: true },
          purpose: { type: 'string', description: say('arg.purpose'), default: 'fine-tune' },
          ...remote(cli),
        },
        async run({ args }) {
          const file = await connect(cli, args['base-url']).upload(args.file, args.purpose);
          if (args.json) printJson(cli, file);
          else printLine(cli, file.id);
        },
      }),
      list: defineCommand({
        meta: { description: say('cli.files.list') },
        args: {
          purpose: { type: 'string', description: say('arg.purpose') },
          limit: { type: 'string', description: say('arg.limit'), default: '100' },
          ...remote(cli),
        },
        async run({ args }) {
          const query = new URLSearchParams({
            limit: String(wholeNumber(say, '--limit', args.limit, 1, 10_000)),
            ...(args.purpose === undefined ? {} : { purpose: args.purpose }),
          });
          const client = connect(cli, args['base-url']);
          const list = await client.get(`/files?${query}`, listOf(FileObject));
          if (args.json) return printJson(cli, list);
          printTable(cli, list.data.map(fileRow));
        },
      }),
      get: defineCommand({
        meta: { description: say('cli.files.get') },
        args: { id, ...remote(cli) },
        async run({ args }) {
          const path = `/files/${encodeURIComponent(args.id)}`;
          const file = await connect(cli, args['base-url']).get(path, FileObject);
          if (args.json) printJson(cli, file);
          else printTable(cli, [fileRow(file)]);
        },
      }),
      content: defineCommand({
        meta: { description: say('cli.files.content') },
        args: {
          id,
          output: { type: 'string', alias: 'o', description: say('arg.output'), valueHint: 'PATH' },
          ...remote(cli),
        },
        async run({ args }) {
          const client = connect(cli, args['base-url']);
          const response = await client.raw(`/files/${encodeURIComponent(args.id)}/content`);
          await writeBody(cli, response, args.output);
          if (args.output === undefined) return;
          if (args.json) printJson(cli, { id: args.id, path: args.output });
          else note(cli, say('written', { path: args.output }));
        },
      }),
      delete: defineCommand({
        meta: { description: say('cli.files.delete') },
        args: { id, ...remote(cli) },
        async run({ args }) {
          const path = `/files/${encodeURIComponent(args.id)}`;
          const deleted = await connect(cli, args['base-url']).del(path, Deleted);
          if (args.json) printJson(cli, deleted);
          else printLine(cli, say('deleted', { id: deleted.id }));
        },
      }),
    },
  });
}

const fileRow = (file: FileObject) => [
  file.id,
  formatTime(file.created_at),
  file.purpose,
  String(file.bytes),
  file.filename,
];

async function writeBody(cli: Cli, response: Response, path: string | undefined): Promise<void> {
  const body = Readable.fromWeb((response.body ?? new Blob([]).stream()) as ReadableStream);
  try {
    if (path === undefined) await pipeline(body, cli.stdout, { end: false });
    else await pipeline(body, createWriteStream(path));
  } catch (error) {
    const reason = reasonOf(error);
    throw new Failure(cli.say('error.write', { path: path ?? 'stdout', reason }), { cause: error });
  }
}
