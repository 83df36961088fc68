// tunery jobs create | list | get | follow | cancel | pause | resume | events | checkpoints
import { existsSync } from 'node:fs';
import { defineCommand } from 'citty';
import { retell } from '../../messages/retell.ts';
import { autoOrNumber, jsonObject, remote, wholeNumber } from '../arguments.ts';
import type { Cli } from '../cli.ts';
import { type Client, connect } from '../client.ts';
import { repeated } from '../command-line.ts';
import { Failure, usageError } from '../failure.ts';
import { follow, requireSuccess } from '../follow.ts';
import { formatTime, note, printJson, printLine, printTable } from '../output.ts';
import { Checkpoint, Job, JobEvent, listOf } from '../wire.ts';

export function jobsCommand(cli: Cli) {
  const { say } = cli;
  const id = { type: 'positional', description: say('arg.job_id'), required: true } as const;
  const limit = (value: string) =>
    ({ type: 'string', description: say('arg.limit'), default: value, valueHint: 'N' }) as const;
  return defineCommand({
    meta: { name: 'jobs', description: say('cli.jobs') },
    subCommands: {
      create: createCommand(cli),
      list: defineCommand({
        meta: { description: say('cli.jobs.list') },
        args: { limit: limit('20'), ...remote(cli) },
        async run({ args }) {
          const count = wholeNumber(say, '--limit', args.limit, 1, 100);
          const client = connect(cli, args['base-url']);
          const list = await client.get(`/fine_tuning/jobs?limit=${count}`, listOf(Job));
          if (args.json) return printJson(cli, list);
          printTable(cli, list.data.map(jobRow));
        },
      }),
      get: defineCommand({
        meta: { description: say('cli.jobs.get') },
        args: { id, ...remote(cli) },
        async run({ args }) {
          const job = await connect(cli, args['base-url']).get(jobPath(args.id), Job);
          if (args.json) return printJson(cli, job);
          printTable(cli, [jobRow(job)]);
          if (job.error?.message) {
            const { code, message } = job.error;
            const reason = retell(message, say);
            note(cli, say('job.failed', { code: code ?? job.status, message: reason }));
          }
        },
      }),
      follow: defineCommand({
        meta: { description: say('cli.jobs.follow') },
        args: { id, ...remote(cli) },
        async run({ args }) {
          await followJob(cli, connect(cli, args['base-url']), args.id, args.json === true);
        },
      }),
      cancel: action(cli, 'cancel'),
      pause: action(cli, 'pause'),
      resume: action(cli, 'resume'),
      events: defineCommand({
        meta: { description: say('cli.jobs.events') },
        args: { id, limit: limit('20'), ...remote(cli) },
        async run({ args }) {
          const count = wholeNumber(say, '--limit', args.limit, 1, 100);
          const client = connect(cli, args['base-url']);
          const path = `${jobPath(args.id)}/events?limit=${count}`;
          const list = await client.get(path, listOf(JobEvent));
          if (args.json) return printJson(cli, list);
          // The API lists the newest first; people read downwards.
          for (const event of list.data.toReversed()) printLine(cli, eventLine(cli, event));
        },
      }),
      checkpoints: defineCommand({
        meta: { description: say('cli.jobs.checkpoints') },
        args: { id, limit: limit('10'), ...remote(cli) },
        async run({ args }) {
          const count = wholeNumber(say, '--limit', args.limit, 1, 100);
          const client = connect(cli, args['base-url']);
          const path = `${jobPath(args.id)}/checkpoints?limit=${count}`;
          const list = await client.get(path, listOf(Checkpoint));
          if (args.json) return printJson(cli, list);
          const rows = list.data.map((checkpoint) => [
            formatTime(checkpoint.created_at),
            String(checkpoint.step_number),
            checkpoint.fine_tuned_model_checkpoint,
          ]);
          printTable(cli, rows);
        },
      }),
    },
  });
}

function createCommand(cli: Cli) {
  const { say } = cli;
  const text = (description: string, valueHint = 'VALUE') =>
    ({ type: 'string', description, valueHint }) as const;
  return defineCommand({
    meta: { description: say('cli.jobs.create') },
    args: {
      model: { ...text(say('arg.model'), 'NAME'), alias: 'm', required: true },
      'training-file': { ...text(say('arg.training_file'), 'FILE'), alias: 't', required: true },
      'validation-file': { ...text(say('arg.validation_file'), 'FILE') },
      'general-file': text(say('arg.general_file'), 'FILE'),
      'general-ratio': text(say('arg.general_ratio'), '1:5'),
      suffix: text(say('arg.suffix')),
      seed: text(say('arg.seed'), 'N'),
      'n-epochs': text(say('arg.n_epochs'), 'N'),
      'batch-size': text(say('arg.batch_size'), 'N'),
      'learning-rate-multiplier': text(say('arg.learning_rate_multiplier'), 'X'),
      tunery: text(say('arg.tunery'), 'JSON'),
      metadata: text(say('arg.metadata'), 'KEY=VALUE'),
      follow: { type: 'boolean', description: say('arg.follow') },
      ...remote(cli),
    },
    async run({ args, rawArgs }) {
      const knob = (flag: 'n-epochs' | 'batch-size' | 'learning-rate-multiplier') => {
        const value = args[flag];
        if (value === undefined) return {};
        return { [flag.replaceAll('-', '_')]: autoOrNumber(say, `--${flag}`, value) };
      };
      const hyperparameters = {
        ...knob('n-epochs'),
        ...knob('batch-size'),
        ...knob('learning-rate-multiplier'),
      };
      const seed =
        args.seed === undefined
          ? {}
          : { seed: wholeNumber(say, '--seed', args.seed, 0, 2 ** 31 - 1) };
      const options = args.tunery === undefined ? {} : jsonObject(say, '--tunery', args.tunery);
      const metadata = metadataOf(cli, repeated(rawArgs, 'metadata'));
      const client = connect(cli, args['base-url']);
      const general = {
        ...(args['general-file'] && { general_file: await fileId(client, args['general-file']) }),
        ...(args['general-ratio'] && { general_ratio: args['general-ratio'] }),
      };
      const tunery = { ...options, ...general };
      const validation = args['validation-file'];
      const job = await client.post(
        '/fine_tuning/jobs',
        {
          model: args.model,
          training_file: await fileId(client, args['training-file']),
          ...(validation === undefined
            ? {}
            : { validation_file: await fileId(client, validation) }),
          ...(args.suffix === undefined ? {} : { suffix: args.suffix }),
          method: { type: 'supervised', supervised: { hyperparameters } },
          ...seed,
          ...(Object.keys(tunery).length > 0 && { tunery }),
          ...(metadata === null ? {} : { metadata }),
        },
        Job,
      );
      if (args.follow) {
        note(cli, say('job.created', { id: job.id, model: job.model, file: job.training_file }));
        return followJob(cli, client, job.id, args.json === true);
      }
      if (args.json) printJson(cli, job);
      else printLine(cli, job.id);
    },
  });
}

function action(cli: Cli, verb: 'cancel' | 'pause' | 'resume') {
  const { say } = cli;
  return defineCommand({
    meta: { description: say(`cli.jobs.${verb}`) },
    args: {
      id: { type: 'positional', description: say('arg.job_id'), required: true },
      ...remote(cli),
    },
    async run({ args }) {
      const job = await connect(cli, args['base-url']).post(`${jobPath(args.id)}/${verb}`, {}, Job);
      if (args.json) printJson(cli, job);
      else printLine(cli, say('job.state', { id: job.id, status: job.status }));
    },
  });
}

/** Events as they come, one a line; then the model's name, or a Failure. */
async function followJob(cli: Cli, client: Client, id: string, json: boolean): Promise<void> {
  const print = (value: unknown) => printLine(cli, JSON.stringify(value));
  const events = follow(client, id, cli.signal);
  try {
    for (;;) {
      const next = await events.next();
      if (next.done) {
        if (json) print(next.value);
        const model = requireSuccess(cli, next.value);
        if (!json) printLine(cli, cli.say('job.succeeded', { model }));
        return;
      }
      if (json) print(next.value);
      else printLine(cli, eventLine(cli, next.value));
    }
  } catch (error) {
    if (cli.signal.aborted) {
      throw new Failure(cli.say('job.still_running', { id }), {
        exitCode: 130,
        code: 'interrupted',
      });
    }
    throw error;
  }
}

/** An id as it is; a path is uploaded first. */
async function fileId(client: Client, idOrPath: string): Promise<string> {
  if (idOrPath.startsWith('file-') && !existsSync(idOrPath)) return idOrPath;
  return (await client.upload(idOrPath, 'fine-tune')).id;
}

function metadataOf({ say }: Cli, pairs: readonly string[]): Record<string, string> | null {
  if (pairs.length === 0) return null;
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw usageError(say('usage.metadata', { value: pair }));
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

const jobPath = (id: string) => `/fine_tuning/jobs/${encodeURIComponent(id)}`;

const jobRow = (job: Job) => [
  job.id,
  formatTime(job.created_at),
  job.status,
  job.model,
  job.fine_tuned_model ?? '',
];

const eventLine = ({ say }: Cli, { created_at, level, message }: JobEvent) =>
  `${formatTime(created_at)}  ${level === 'info' ? '' : `${level}: `}${retell(message, say)}`;
