// tunery serve: starts the server in this process and prints its address once it answers. Logs go to
// stderr. The first Ctrl-C closes it in order, a second one stops at once.
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { defineCommand } from 'citty';
import { isDiskFull } from '../../lib/disk-full.ts';
import { retell } from '../../messages/retell.ts';
import { startServer } from '../../server/start.ts';
import { common, wholeNumber } from '../arguments.ts';
import { type Cli, DEFAULT_HOST, DEFAULT_PORT } from '../cli.ts';
import { repeated } from '../command-line.ts';
import { Failure, reasonOf } from '../failure.ts';
import { note, printLine } from '../output.ts';
import { defaultDataDir, modelsFromEnv } from '../places.ts';

export function serveCommand(cli: Cli) {
  const { say, env, signal } = cli;
  return defineCommand({
    meta: { name: 'serve', description: say('cli.serve') },
    args: {
      port: {
        type: 'string',
        alias: 'p',
        description: say('arg.port'),
        default: env['TUNERY_PORT'] || String(DEFAULT_PORT),
        valueHint: 'N',
      },
      host: {
        type: 'string',
        description: say('arg.host'),
        default: env['TUNERY_HOST'] || DEFAULT_HOST,
      },
      'data-dir': {
        type: 'string',
        description: say('arg.data_dir'),
        default: defaultDataDir(env),
        valueHint: 'DIR',
      },
      'allow-open': { type: 'boolean', description: say('arg.allow_open') },
      'models-dir': { type: 'string', description: say('arg.models_dir'), valueHint: 'DIR' },
      aliases: { type: 'string', description: say('arg.aliases'), valueHint: 'FILE' },
      trainers: {
        type: 'string',
        description: say('arg.trainers'),
        default: env['TUNERY_TRAINERS'] || '1',
        valueHint: 'N',
      },
      ...common(cli),
    },
    async run({ args, rawArgs }) {
      const port = wholeNumber(say, '--port', args.port, 0, 65_535);
      const modelsDirs = [...repeated(rawArgs, 'models-dir'), ...modelsFromEnv(env)];
      for (const folder of modelsDirs) await remarkOn(cli, folder);
      const server = await start(cli, {
        port,
        host: args.host,
        dataDir: args['data-dir'],
        modelsDirs,
        ...(args.aliases !== undefined && { aliasesFile: args.aliases }),
        trainers: wholeNumber(say, '--trainers', args.trainers, 1, 64),
        allowOpen: args['allow-open'] ?? false,
      });
      const line = args.json
        ? JSON.stringify({ url: server.url })
        : say('serve.ready', { url: server.url });
      printLine(cli, line);
      if (!signal.aborted) await once(signal, 'abort');
      note(cli, say('serve.stopping'));
      await server.close();
    },
  });
}

/** It may come later, on a disk that is mounted; but it may be a slip of the pen. */
async function remarkOn(cli: Cli, folder: string): Promise<void> {
  const there = await stat(folder).catch(() => null);
  if (!there?.isDirectory()) note(cli, cli.say('serve.no_models_folder', { folder }));
}

type StartOptions = Parameters<typeof startServer>[0];

export async function start(cli: Cli, options: StartOptions) {
  try {
    const { url, close } = await startServer(options);
    return { url: `${url}/v1`, close }; // what clients call the base URL
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : null;
    const full = isDiskFull(error);
    const reason = full
      ? cli.say('serve.disk_full', { folder: options.dataDir })
      : retell(reasonOf(error), cli.say);
    const message = cli.say('serve.failed', { reason });
    throw new Failure(message, { code: full ? 'disk_full' : code, cause: error });
  }
}
