// The HTTP surface: which path goes where, and what every answer carries. Testable with
// `app.request()`, without a port.
import { type Context, Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { newId } from '../lib/id.ts';
import { auth, metered, meteredEmbed } from './auth.ts';
import type { Deps } from './deps.ts';
import { toWire, unknownUrl } from './errors.ts';
import { guard } from './guard.ts';
import { accessible } from './model-access.ts';
import { batches } from './routes/batches.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import { checkpointPermissions } from './routes/checkpoint-permissions.ts';
import { completions } from './routes/completions.ts';
import { dataTools } from './routes/data.ts';
import { dataAsking } from './routes/data-ask.ts';
import { embeddings } from './routes/embeddings.ts';
import { engines } from './routes/engines.ts';
import { files } from './routes/files.ts';
import { fineTunes } from './routes/fine-tunes.ts';
import { fineTuningJobs } from './routes/fine-tuning-jobs.ts';
import { graders } from './routes/graders.ts';
import { keys } from './routes/keys.ts';
import { models } from './routes/models.ts';
import { moderations } from './routes/moderations.ts';
import { responses } from './routes/responses.ts';
import { tunery } from './routes/tunery.ts';
import { uploads } from './routes/uploads.ts';
import { sendTo } from './send-to-self.ts';

type Env = { Variables: { requestId: string } };

export function createApp(given: Deps): Hono<Env> {
  const jobs = accessible(given.jobs, given.store.database.query);
  const deps = { ...given, jobs, sample: metered(given.sample), embed: meteredEmbed(given.embed) };
  const { config, clock, log } = deps;
  const app = new Hono<Env>({ strict: false }); // a slash at the end means nothing
  app.use(async (c, next) => {
    const start = clock.now();
    const requestId = newId('req_', 32);
    c.set('requestId', requestId);
    await next();
    const ms = clock.now() - start;
    const { headers, status } = c.res;
    headers.set('x-request-id', requestId);
    headers.set('openai-processing-ms', String(ms)); // a number: old clients calculate with it
    headers.set('openai-version', '2020-10-01');
    const { key, organization } = c.get('caller') ?? {
      key: null,
      organization: config.organization,
    };
    headers.set('openai-organization', organization);
    const caller = key === null ? {} : { key: key.id };
    const { method, path } = c.req;
    log.info({ requestId, method, path, status, ms, ...caller }, 'request.end');
  });
  app.use(guard(config));
  app.use(auth(deps));
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.route('/v1/files', files(deps));
  app.route('/v1/uploads', uploads(deps));
  app.route('/v1/fine_tuning/jobs', fineTuningJobs(deps));
  app.route('/v1/fine_tuning/alpha/graders', graders(deps));
  app.route('/v1/fine_tuning/checkpoints', checkpointPermissions(deps));
  app.route('/v1/fine-tunes', fineTunes(deps));
  app.route(
    '/v1/engines',
    engines(deps, [
      ['chat/completions', chatCompletions(deps)],
      ['completions', completions(deps)],
      ['embeddings', embeddings(deps)],
    ]),
  );
  app.route('/v1/models', models(deps));
  app.route('/v1/chat/completions', chatCompletions(deps));
  app.route('/v1/completions', completions(deps));
  app.route('/v1/embeddings', embeddings(deps));
  app.route('/v1/responses', responses(deps));
  app.route('/v1/moderations', moderations(deps));
  app.route('/v1/batches', batches(deps, app));
  app.route('/tunery/v1/keys', keys(deps));
  app.route('/tunery/v1/data', dataTools(deps));
  app.route(
    '/tunery/v1/data',
    dataAsking(
      deps,
      sendTo(() => app.fetch),
    ),
  );
  app.route('/tunery/v1', tunery(deps));
  app.notFound((c) => answerError(c, unknownUrl(c.req.method, c.req.path), deps));
  app.onError((error, c) => answerError(c, error, deps));
  return app;
}

function answerError(c: Context<Env>, error: unknown, { log }: Deps): Response {
  const { status, body, retryAfter } = toWire(error);
  if (retryAfter !== undefined) c.header('retry-after', String(retryAfter));
  // Clients try again on 429 and any 5xx; only a rate limit and an overload pass by themselves.
  if ((status >= 500 || status === 429) && retryAfter === undefined)
    c.header('x-should-retry', 'false');
  if (status === 401) c.header('www-authenticate', 'Bearer');
  // A client that has gone is no failure: its work was cut off because of that.
  if (status >= 500 && !c.req.raw.signal.aborted) {
    const fields = { requestId: c.get('requestId'), code: body.error.code };
    // A refusal with a code explains itself; of the rest, the log is the only witness.
    if (body.error.code === null) log.error({ ...fields, err: error }, 'request.fail');
    else log.warn({ ...fields, message: body.error.message }, 'request.fail');
  }
  return c.json(body, status as ContentfulStatusCode);
}
