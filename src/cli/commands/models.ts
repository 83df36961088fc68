// tunery models pull | list | import | delete. Pulling and importing write into the data directory and
// need no server; one that runs finds the new file by itself.
import { basename } from 'node:path';
import { defineCommand } from 'citty';
import { common, remote } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { connect } from '../client.ts';
import { importHere, importThroughServer } from '../import-model.ts';
import { formatTime, note, printJson, printLine, printTable } from '../output.ts';
import { defaultDataDir } from '../places.ts';
import { pull } from '../pull.ts';
import { Deleted, listOf, Model } from '../wire.ts';

export function modelsCommand(cli: Cli) {
  const { say } = cli;
  const dataDir = {
    type: 'string',
    description: say('arg.data_dir'),
    default: defaultDataDir(cli.env),
    valueHint: 'DIR',
  } as const;
  return defineCommand({
    meta: { name: 'models', description: say('cli.models') },
    subCommands: {
      pull: defineCommand({
        meta: { description: say('cli.models.pull') },
        args: {
          model: { type: 'positional', description: say('arg.model_source'), required: true },
          'data-dir': dataDir,
          ...common(cli),
        },
        async run({ args }) {
          const path = await pull(cli, args.model, args['data-dir']);
          const name = basename(path, '.gguf');
          if (args.json) printJson(cli, { name, path });
          else printLine(cli, say('pull.done', { name, path }));
        },
      }),
      list: defineCommand({
        meta: { description: say('cli.models.list') },
        args: remote(cli),
        async run({ args }) {
          const list = await connect(cli, args['base-url']).get('/models', listOf(Model));
          if (args.json) return printJson(cli, list);
          printTable(
            cli,
            list.data.map((model) => [formatTime(model.created), model.owned_by, model.id]),
          );
          for (const { id, tunery } of list.data)
            if (tunery?.aliases)
              note(cli, say('models.aliases', { id, names: tunery.aliases.join(', ') }));
        },
      }),
      import: importCommand(cli),
      delete: defineCommand({
        meta: { description: say('cli.models.delete') },
        args: {
          model: { type: 'positional', description: say('arg.model'), required: true },
          ...remote(cli),
        },
        async run({ args }) {
          const path = `/models/${encodeURIComponent(args.model)}`;
          const deleted = await connect(cli, args['base-url']).del(path, Deleted);
          if (args.json) printJson(cli, deleted);
          else printLine(cli, say('deleted', { id: deleted.id }));
        },
      }),
    },
  });
}

function importCommand(cli: Cli) {
  const { say } = cli;
  return defineCommand({
    meta: { description: say('cli.models.import') },
    args: {
      folder: { type: 'positional', description: say('arg.model_folder'), required: true },
      'data-dir': { type: 'string', description: say('arg.import_data_dir'), valueHint: 'DIR' },
      ...remote(cli),
    },
    async run({ args }) {
      note(cli, say('import.running', { path: args.folder }));
      const dataDir = args['data-dir'];
      const name =
        dataDir === undefined
          ? await importThroughServer(cli, connect(cli, args['base-url']), args.folder)
          : await importHere(cli, args.folder, dataDir);
      if (args.json) printJson(cli, { id: name });
      else printLine(cli, say('import.done', { name }));
    },
  });
}
