// tunery api fine_tunes.create | … : the legacy command line, `openai api`, for who has none. Prints the
// API's objects as that one did.
import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { defineCommand } from 'citty';
import { z } from 'zod';
import { decimal, remote, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { type Client, connect } from '../client.ts';
import { Failure } from '../failure.ts';
import { BETAS } from '../legacy-arguments.ts';
import { formatTime, note, printJson, printLine } from '../output.ts';
import { FileObject, listOf } from '../wire.ts';

const FineTune = z.looseObject({
  id: z.string(),
  status: z.string(),
  fine_tuned_model: z.string().nullable(),
  result_files: z.array(z.looseObject({ id: z.string() })),
  tunery: z.looseObject({ error: z.looseObject({ message: z.string() }).nullish() }).optional(),
});
const FineTuneEvent = z.looseObject({ created_at: z.number(), message: z.string() });
const Anything = z.looseObject({});
const Completion = z.looseObject({ choices: z.array(z.looseObject({ text: z.string() })) });

export function apiCommand(cli: Cli) {
  const { say } = cli;
  const id = {
    type: 'string',
    alias: 'i',
    required: true,
    description: say('arg.api_id'),
  } as const;
  /** A command that asks for one object, prints it and ends. */
  const simple = (
    about: Parameters<typeof say>[0],
    method: 'GET' | 'POST' | 'DELETE',
    path: (id: string) => string,
  ) =>
    defineCommand({
      meta: { description: say(about) },
      args: { id, ...remote(cli) },
      async run({ args }) {
        const response = await connect(cli, args['base-url']).raw(path(args.id), { method });
        printJson(cli, await response.json());
      },
    });
  const list = (about: Parameters<typeof say>[0], path: string) =>
    defineCommand({
      meta: { description: say(about) },
      args: remote(cli),
      async run({ args }) {
        printJson(cli, await connect(cli, args['base-url']).get(path, Anything));
      },
    });
  return defineCommand({
    meta: { name: 'api', description: say('cli.api') },
    subCommands: {
      'fine_tunes.create': createCommand(cli),
      'fine_tunes.list': list('cli.api.fine_tunes.list', '/fine-tunes'),
      'fine_tunes.get': simple('cli.api.fine_tunes.get', 'GET', fineTunePath),
      'fine_tunes.results': defineCommand({
        meta: { description: say('cli.api.fine_tunes.results') },
        args: { id, ...remote(cli) },
        async run({ args }) {
          const client = connect(cli, args['base-url']);
          const [file] = (await client.get(fineTunePath(args.id), FineTune)).result_files;
          if (file === undefined) throw new Failure(say('api.no_results', { id: args.id }));
          printLine(cli, await (await client.raw(`${filePath(file.id)}/content`)).text());
        },
      }),
      'fine_tunes.events': simple(
        'cli.api.fine_tunes.events',
        'GET',
        (one) => `${fineTunePath(one)}/events`,
      ),
      'fine_tunes.follow': defineCommand({
        meta: { description: say('cli.api.fine_tunes.follow') },
        args: { id, ...remote(cli) },
        async run({ args }) {
          await followFineTune(cli, connect(cli, args['base-url']), args.id, args['base-url']);
        },
      }),
      'fine_tunes.cancel': simple(
        'cli.api.fine_tunes.cancel',
        'POST',
        (one) => `${fineTunePath(one)}/cancel`,
      ),
      'fine_tunes.delete': simple('cli.api.fine_tunes.delete', 'DELETE', fineTunePath),
      'completions.create': completeCommand(cli),
      'models.list': list('cli.api.models.list', '/models'),
      'models.get': simple('cli.api.models.get', 'GET', modelPath),
      'models.delete': simple('cli.api.models.delete', 'DELETE', modelPath),
      'files.list': list('cli.api.files.list', '/files'),
      'files.get': simple('cli.api.files.get', 'GET', filePath),
      'files.create': defineCommand({
        meta: { description: say('cli.api.files.create') },
        args: {
          file: { type: 'string', alias: 'f', required: true, description: say('arg.file') },
          purpose: { type: 'string', alias: 'p', required: true, description: say('arg.purpose') },
          ...remote(cli),
        },
        async run({ args }) {
          printJson(cli, await connect(cli, args['base-url']).upload(args.file, args.purpose));
        },
      }),
      'files.delete': simple('cli.api.files.delete', 'DELETE', filePath),
    },
  });
}

const fineTunePath = (id: string) => `/fine-tunes/${encodeURIComponent(id)}`;
const modelPath = (id: string) => `/models/${encodeURIComponent(id)}`;
const filePath = (id: string) => `/files/${encodeURIComponent(id)}`;

function createCommand(cli: Cli) {
  const { say } = cli;
  const text = (description: string, valueHint = 'VALUE') =>
    ({ type: 'string', description, valueHint }) as const;
  return defineCommand({
    meta: { description: say('cli.api.fine_tunes.create') },
    args: {
      training_file: { ...text(say('arg.training_file'), 'FILE'), alias: 't', required: true },
      validation_file: { ...text(say('arg.validation_file'), 'FILE'), alias: 'v' },
      model: { ...text(say('arg.api_model'), 'NAME'), alias: 'm' },
      suffix: text(say('arg.suffix')),
      no_check_if_files_exist: { type: 'boolean', description: say('arg.api_no_check') },
      no_follow: { type: 'boolean', description: say('arg.api_no_follow') },
      n_epochs: text(say('arg.n_epochs'), 'N'),
      batch_size: text(say('arg.batch_size'), 'N'),
      learning_rate_multiplier: text(say('arg.learning_rate_multiplier'), 'X'),
      prompt_loss_weight: text(say('arg.api_prompt_loss_weight'), 'X'),
      compute_classification_metrics: { type: 'boolean', description: say('arg.api_metrics') },
      classification_n_classes: text(say('arg.api_n_classes'), 'N'),
      classification_positive_class: text(say('arg.api_positive_class'), 'TEXT'),
      classification_betas: text(say('arg.api_betas'), 'X,…'),
      ...remote(cli),
    },
    async run({ args }) {
      const whole = (flag: 'n_epochs' | 'batch_size' | 'classification_n_classes') => {
        const value = args[flag];
        return value === undefined
          ? {}
          : { [flag]: wholeNumber(say, `--${flag}`, value, 0, 2 ** 31 - 1) };
      };
      const number = (flag: 'learning_rate_multiplier' | 'prompt_loss_weight') => {
        const value = args[flag];
        return value === undefined ? {} : { [flag]: decimal(say, `--${flag}`, value, 0, 1e9) };
      };
      const betas = args.classification_betas
        ?.split(',')
        .map((beta) => decimal(say, BETAS, beta, 0, 1e9));
      const client = connect(cli, args['base-url']);
      const look = args.no_check_if_files_exist !== true;
      const training_file = await fileId(cli, client, args.training_file, look);
      const fineTune = await client.post(
        '/fine-tunes',
        {
          training_file,
          ...(args.validation_file !== undefined && {
            validation_file: await fileId(cli, client, args.validation_file, look),
          }),
          ...(args.model !== undefined && { model: args.model }),
          ...(args.suffix !== undefined && { suffix: args.suffix }),
          ...whole('n_epochs'),
          ...whole('batch_size'),
          ...number('learning_rate_multiplier'),
          ...number('prompt_loss_weight'),
          ...(args.compute_classification_metrics && { compute_classification_metrics: true }),
          ...whole('classification_n_classes'),
          ...(args.classification_positive_class !== undefined && {
            classification_positive_class: args.classification_positive_class,
          }),
          ...(betas && { classification_betas: betas }),
        },
        FineTune,
      );
      if (args.no_follow) return printJson(cli, fineTune);
      printLine(cli, say('api.created', { id: fineTune.id }));
      await followFineTune(cli, client, fineTune.id, args['base-url']);
    },
  });
}

function completeCommand(cli: Cli) {
  const { say } = cli;
  const text = (description: string, alias: string, valueHint = 'N') =>
    ({ type: 'string', description, alias, valueHint }) as const;
  return defineCommand({
    meta: { description: say('cli.api.completions.create') },
    args: {
      model: { ...text(say('arg.model'), 'm', 'NAME'), required: true },
      prompt: { ...text(say('arg.api_prompt'), 'p', 'TEXT'), required: true },
      'max-tokens': text(say('arg.api_max_tokens'), 'M'),
      temperature: text(say('arg.temperature'), 't', 'X'),
      n: text(say('arg.api_n'), 'n'),
      stop: { type: 'string', description: say('arg.api_stop'), valueHint: 'TEXT' },
      ...remote(cli),
    },
    async run({ args }) {
      const { model, prompt, temperature, n, stop } = args;
      const most = args['max-tokens'];
      const completion = await connect(cli, args['base-url']).post(
        '/completions',
        {
          model,
          prompt,
          echo: true,
          ...(most && { max_tokens: wholeNumber(say, '--max-tokens', most, 0, 2 ** 31 - 1) }),
          ...(temperature && { temperature: decimal(say, '--temperature', temperature, 0, 2) }),
          ...(n && { n: wholeNumber(say, '-n', n, 1, 128) }),
          ...(stop && { stop }),
        },
        Completion,
      );
      if (args.json) return printJson(cli, completion);
      for (const [i, choice] of completion.choices.entries()) {
        if (completion.choices.length > 1) printLine(cli, `===== Completion ${i} =====`);
        printLine(cli, choice.text);
      }
    },
  });
}

/** An id as it is; a path is uploaded, and with `look` who has uploaded it before is told. */
async function fileId(cli: Cli, client: Client, idOrPath: string, look: boolean): Promise<string> {
  if (!existsSync(idOrPath)) return idOrPath;
  const known = look ? await uploadedBefore(client, idOrPath) : undefined;
  if (known !== undefined) note(cli, cli.say('api.known_file', { id: known.id }));
  const { id } = await client.upload(idOrPath, 'fine-tune');
  note(cli, cli.say('api.uploaded', { path: idOrPath, id }));
  return id;
}

async function uploadedBefore(client: Client, path: string): Promise<FileObject | undefined> {
  const { size } = statSync(path);
  const { data } = await client.get('/files?purpose=fine-tune', listOf(FileObject));
  return data.find(({ filename, bytes }) => filename === basename(path) && bytes === size);
}

/** Events as they come; then the model's name, or a Failure. */
async function followFineTune(
  cli: Cli,
  client: Client,
  id: string,
  baseUrl: string,
): Promise<void> {
  const { say, signal } = cli;
  try {
    for await (const event of client.events(
      `${fineTunePath(id)}/events?stream=true`,
      FineTuneEvent,
    ))
      printLine(cli, `[${formatTime(event.created_at)}] ${event.message}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    // The signal has ended this client's requests; the state is asked for with another.
    const again = connect({ ...cli, signal: new AbortController().signal }, baseUrl);
    const { status } = await again.get(fineTunePath(id), FineTune);
    throw new Failure(say('api.interrupted', { id, status }), {
      exitCode: 130,
      code: 'interrupted',
    });
  }
  const { status, fine_tuned_model, tunery } = await client.get(fineTunePath(id), FineTune);
  if (status === 'succeeded' && fine_tuned_model !== null)
    return printLine(cli, say('api.succeeded', { model: fine_tuned_model }));
  if (status === 'cancelled') throw new Failure(say('api.cancelled'), { code: 'cancelled' });
  throw new Failure(say('api.failed', { message: tunery?.error?.message ?? status }));
}
