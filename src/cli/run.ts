// Reads language and command, runs it, and turns failures into a
// sentence on stderr and an exit code. Knows no `process`: main.ts hands the streams in.
import { readFileSync } from 'node:fs';
import { defineCommand, runCommand } from 'citty';
import { systemFailure } from '../data/source/system-error.ts';
import { CodedError } from '../lib/coded-error.ts';
import { languageOf, parseLanguage, type Say, speaker } from '../messages/say.ts';
import type { Cli } from './cli.ts';
import { type AnyCommand, checkArguments, findCommand, type LazyCommand } from './command-line.ts';
import { Failure, reasonOf, usageError } from './failure.ts';
import { withBetasJoined } from './legacy-arguments.ts';
import { type Groups, usage } from './usage.ts';

/** Runs one command line to its end; returns the exit code. */
export async function run(argv: readonly string[], streams: Omit<Cli, 'say'>): Promise<number> {
  let say = speaker(languageOf(streams.env));
  const json = argv.includes('--json');
  try {
    const language = takeLanguage(argv, say);
    say = language.say;
    const cli: Cli = { ...streams, say };
    if (/^(--version|-v)$/.test(language.rest[0] ?? '')) {
      streams.stdout.write(`${version()}\n`);
      return 0;
    }
    const words = withBetasJoined(language.rest);
    const found = await findCommand(rootCommand(cli), words, say);
    if (found.help) {
      const groups = found.name === NAME ? groupsOf(say) : null;
      streams.stdout.write(`${await usage(found.command, found.name, say, groups)}\n`);
      return 0;
    }
    await checkArguments(found, say);
    await runCommand(found.command, { rawArgs: [...found.args] });
    return 0;
  } catch (error) {
    return report(streams.signal.aborted ? interrupted(error, say) : error, json, streams, say);
  }
}

const NAME = 'tunery';

/** The commands by the three steps of the work. */
const groupsOf = (say: Say): Groups => [
  [say('cli.group_data'), ['data', 'tools', 'files']],
  [say('cli.group_train'), ['quickstart', 'models', 'jobs', 'api']],
  [say('cli.group_use'), ['serve', 'chat', 'export', 'keys']],
];

/** Commands are loaded when they are called: `files list` should not load the server. */
function rootCommand(cli: Cli): AnyCommand {
  const { say } = cli;
  const sub = (text: Parameters<Say>[0], load: () => Promise<AnyCommand>): LazyCommand =>
    Object.assign(load, { about: say(text) });
  return defineCommand({
    meta: { name: NAME, description: say('cli.about') },
    subCommands: {
      serve: sub('cli.serve', async () => (await import('./commands/serve.ts')).serveCommand(cli)),
      quickstart: sub('cli.quickstart', async () =>
        (await import('./commands/quickstart.ts')).quickstartCommand(cli),
      ),
      models: sub('cli.models', async () =>
        (await import('./commands/models.ts')).modelsCommand(cli),
      ),
      data: sub('cli.data', async () => (await import('./commands/data.ts')).dataCommand(cli)),
      tools: sub('cli.tools', async () => (await import('./commands/tools.ts')).toolsCommand(cli)),
      files: sub('cli.files', async () => (await import('./commands/files.ts')).filesCommand(cli)),
      api: sub('cli.api', async () => (await import('./commands/api.ts')).apiCommand(cli)),
      jobs: sub('cli.jobs', async () => (await import('./commands/jobs.ts')).jobsCommand(cli)),
      keys: sub('cli.keys', async () => (await import('./commands/keys.ts')).keysCommand(cli)),
      chat: sub('cli.chat', async () => (await import('./commands/chat.ts')).chatCommand(cli)),
      export: sub('cli.export', async () =>
        (await import('./commands/export.ts')).exportCommand(cli),
      ),
    },
  });
}

/** `--lang` may stand anywhere; it is taken out here, before commands are looked for. */
function takeLanguage(argv: readonly string[], say: Say): { say: Say; rest: string[] } {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const at = argv.findIndex(
    (word, i) => i < end && (word === '--lang' || word.startsWith('--lang=')),
  );
  if (at < 0) return { say, rest: [...argv] };
  const inline = argv[at]!.startsWith('--lang=');
  const value = inline ? argv[at]!.slice('--lang='.length) : (argv[at + 1] ?? '');
  const language = parseLanguage(value);
  if (language === null) throw usageError(say('usage.language', { value }));
  return { say: speaker(language), rest: argv.toSpliced(at, inline ? 1 : 2) };
}

function report(
  error: unknown,
  json: boolean,
  { stderr, env }: Pick<Cli, 'stderr' | 'env'>,
  say: Say,
): number {
  const failure = error instanceof Failure ? error : unexpected(error, say);
  const { code, param, message, exitCode } = failure;
  if (json) stderr.write(`${JSON.stringify({ error: { message, code, param } })}\n`);
  else stderr.write(`${message}\n`);
  // For whoever mends it; a user cannot do anything with it.
  if (failure !== error && /^(trace|debug)$/.test(env['TUNERY_LOG'] ?? ''))
    stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return exitCode;
}

/** What no command has words for: a file that cannot be written, or a fault of ours. */
function unexpected(error: unknown, say: Say): Failure {
  const known = systemFailure(error, say);
  if (known !== null) return new Failure(known.message, { code: known.code, cause: error });
  if (error instanceof CodedError)
    return new Failure(error.message, { code: error.code, param: error.param });
  const reason = reasonOf(error);
  const message = 'syscall' in Object(error) ? reason : say('error.unexpected', { reason });
  return new Failure(message, { code: 'internal', cause: error });
}

/** After Ctrl-C any error is the end that was asked for, unless a command has words of its own. */
const interrupted = (error: unknown, say: Say) =>
  error instanceof Failure
    ? error
    : new Failure(say('error.interrupted'), { exitCode: 130, code: 'interrupted', cause: error });

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
