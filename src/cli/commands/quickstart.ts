// tunery quickstart: the whole product once, on one machine: base model, server, files, job, answers.
// Whatever happens, a job that was begun is cancelled and the server is closed before it ends.
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defineCommand } from 'citty';
import OpenAI from 'openai';
import { common, wholeNumber } from '../arguments.ts';
import { type Cli, DEFAULT_HOST, DEFAULT_PORT } from '../cli.ts';
import { apiKey, type Client, connect, keyVariable } from '../client.ts';
import { Failure, reasonOf } from '../failure.ts';
import { note, printJson, printLine } from '../output.ts';
import { defaultDataDir } from '../places.ts';
import { type Answered, askBoth, questions, recipes } from '../quickstart/answers.ts';
import { type BaseModel, findBaseModel, plain, stemOf } from '../quickstart/base-model.ts';
import { clearLeftovers, type Trained, train } from '../quickstart/train.ts';
import { isTerminal, Job, listOf, Model } from '../wire.ts';
import { start } from './serve.ts';

export function quickstartCommand(cli: Cli) {
  const { say, env } = cli;
  const text = (description: string, valueHint: string) =>
    ({ type: 'string', description, valueHint }) as const;
  return defineCommand({
    meta: { name: 'quickstart', description: say('cli.quickstart') },
    args: {
      exit: { type: 'boolean', description: say('arg.exit') },
      report: text(say('arg.report'), 'FILE'),
      model: { ...text(say('arg.quickstart_model'), 'PATH|NAME'), alias: 'm' },
      'data-dir': { ...text(say('arg.data_dir'), 'DIR'), default: defaultDataDir(env) },
      port: { ...text(say('arg.port'), 'N'), alias: 'p' },
      ...common(cli),
    },
    async run({ args }) {
      const port =
        args.port === undefined ? null : wholeNumber(say, '--port', args.port, 0, 65_535);
      if (args.report !== undefined) await checkWritable(cli, args.report);
      const asked = await questions();
      const base = await findBaseModel(cli, args.model, args['data-dir']);
      const server = await serve(cli, base, args['data-dir'], port);
      try {
        const report = await tuneAndAsk(cli, server.url, base, asked);
        if (args.json) printJson(cli, report);
        if (args.report !== undefined) await writeReport(cli, args.report, report);
        if (args.exit) {
          const { port: used } = new URL(server.url);
          const places = {
            folder: shellWord(args['data-dir']),
            models: shellWord(dirname(base.path)),
          };
          note(cli, `\n${say('quick.exits', { port: used, ...places })}`);
          return;
        }
        note(cli, `\n${say('quick.keeps', { url: server.url })}`);
        if (!cli.signal.aborted) await once(cli.signal, 'abort');
        note(cli, say('serve.stopping'));
      } finally {
        await server.close();
      }
    },
  });
}

async function tuneAndAsk(cli: Cli, url: string, base: BaseModel, asked: readonly string[]) {
  const { say } = cli;
  const client = connect(cli, url);
  const openai = new OpenAI({ baseURL: url, apiKey: apiKey(cli.env) ?? 'none' });
  const model = await modelName(client, base);
  note(cli, say('quick.model_local', { name: model, path: base.path }));
  note(cli, say('quick.serving', { url }));
  await clearLeftovers(cli, client);
  let job: string | null = null;
  let trained: Trained;
  try {
    trained = await train(cli, openai, client, model, (id) => {
      job = id;
    });
  } catch (error) {
    if (job !== null) await cancel(cli, url, job);
    throw error;
  }
  printTrained(cli, trained);
  note(cli, say('quick.asking', { count: asked.length }));
  const answered = await askBoth(cli, openai, { base: model, tuned: trained.model }, asked);
  printRecipes(cli, url, trained.model, asked[0] ?? '');
  return reportOf(model, trained, answered);
}

function reportOf(base: string, trained: Trained, answered: readonly Answered[]) {
  return {
    base_model: base,
    fine_tuned_model: trained.model,
    train_seconds: trained.seconds,
    steps: trained.steps,
    target_tokens_per_second: trained.targetTokensPerSecond,
    valid_loss_before: trained.validLossBefore,
    valid_loss_after: trained.validLossAfter,
    questions: answered,
  };
}

/** On the port that was asked for; the usual one may be taken, and then any free one will do. */
async function serve(cli: Cli, { modelsDirs }: BaseModel, dataDir: string, port: number | null) {
  const options = { host: DEFAULT_HOST, dataDir, modelsDirs: [...modelsDirs] };
  try {
    return await start(cli, { ...options, port: port ?? DEFAULT_PORT });
  } catch (error) {
    const taken = error instanceof Failure && /EADDRINUSE|port_in_use/.test(error.code ?? '');
    if (!taken || port !== null) throw error;
    const server = await start(cli, { ...options, port: 0 });
    const other = new URL(server.url).port;
    note(cli, cli.say('quick.port_taken', { port: DEFAULT_PORT, other }));
    return server;
  }
}

/** The server names models after their files; the longest name that the file begins with is ours. */
async function modelName(client: Client, base: BaseModel): Promise<string> {
  const { data } = await client.get('/models', listOf(Model));
  const stem = stemOf(base.path);
  const names = data.map(({ id }) => id).filter((id) => stem.startsWith(plain(id)));
  const name = names.sort((a, b) => b.length - a.length)[0];
  if (name !== undefined) return name;
  throw new Error(`the server does not list ${base.path}; it lists ${data.map(({ id }) => id)}`);
}

/** Its own signal: the command's is aborted already when Ctrl-C brought us here. */
async function cancel(cli: Cli, url: string, id: string): Promise<void> {
  if (cli.signal.aborted) note(cli, `\n${cli.say('quick.cancelling')}`);
  const client = connect({ ...cli, signal: AbortSignal.timeout(10_000) }, url);
  try {
    const job = await client.get(`/fine_tuning/jobs/${id}`, Job);
    if (!isTerminal(job)) await client.post(`/fine_tuning/jobs/${id}/cancel`, {}, Job);
  } catch (error) {
    note(cli, reasonOf(error)); // the next quickstart clears it away
  }
}

function printTrained(cli: Cli, { seconds, validLossBefore, validLossAfter }: Trained): void {
  const time = { seconds: seconds.toFixed(0) };
  if (validLossBefore === null || validLossAfter === null) {
    note(cli, cli.say('quick.trained_plain', time));
    return;
  }
  const losses = { before: validLossBefore.toFixed(3), after: validLossAfter.toFixed(3) };
  note(cli, cli.say('quick.trained', { ...time, ...losses }));
}

function printRecipes(cli: Cli, url: string, model: string, question: string): void {
  const { say } = cli;
  const { curl, sdk } = recipes(url, model, question, keyVariable(cli.env));
  for (const text of [
    `\n${say('quick.name', { model })}`,
    `\n${say('quick.try_curl')}\n${curl}`,
    `\n${say('quick.try_sdk')}\n${sdk}`,
  ]) {
    printLine(cli, text);
  }
}

const shellWord = (path: string) =>
  /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;

async function checkWritable(cli: Cli, path: string): Promise<void> {
  await write(cli, path, ''); // before minutes of training, not after
}

async function writeReport(cli: Cli, path: string, report: object): Promise<void> {
  await write(cli, path, `${JSON.stringify(report, null, 2)}\n`);
  note(cli, cli.say('quick.report', { path }));
}

async function write({ say }: Cli, path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw new Failure(say('error.write', { path, reason: reasonOf(error) }));
  }
}
