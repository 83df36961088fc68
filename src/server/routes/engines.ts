// /v1/engines: models under their oldest path. What they answer is what the routes of today answer, with
// the model taken from the path.
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Caller } from '../auth.ts';
import { type Deps, idOf } from '../deps.ts';
import { invalidValue, modelNotFound, unknownUrl } from '../errors.ts';
import { readBody } from '../read-body.ts';

/** The routes of today, by what follows the engine's id; longer ones first. */
type EngineRoutes = readonly (readonly [tail: string, route: Hono])[];

export function engines({ jobs, config }: Deps, routes: EngineRoutes): Hono {
  const find = async (c: Context) => {
    const id = idOf(c, modelNotFound);
    if ((await jobs.model(id)) === null) throw modelNotFound(id);
    return id;
  };
  const app = new Hono().get('/', async (c) => {
    const [models, aliases] = await Promise.all([jobs.models(), jobs.aliases()]);
    // A name whose model is gone answers nothing, and is no engine.
    const targets = [...new Set(aliases.map(({ target }) => target))];
    const found = await Promise.all(targets.map((target) => jobs.model(target)));
    const there = new Set(targets.filter((_, i) => found[i] !== null));
    const names = aliases.filter(({ target }) => there.has(target)).map(({ name }) => name);
    const ids = new Set([...models.map(({ id }) => id), ...names]);
    return c.json({ object: 'list', data: [...ids].map(wireEngine) });
  });
  for (const [tail, route] of routes) {
    const today = withCaller(route);
    app.post(`/:id{.+}/${tail}`, async (c) => {
      const model = idOf(c, modelNotFound);
      const body = await readBody(c, z.looseObject({}), { ...config, strict: false });
      const request = new Request(new URL('/', c.req.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...body, model }),
        signal: c.req.raw.signal,
      });
      return await today.fetch(request, { caller: c.get('caller') });
    });
  }
  return app
    .get('/:id{.+}', async (c) => c.json(wireEngine(await find(c))))
    .post('/:id{.+}', async (c) => {
      // Also the way of everything that engines once could do, such as /engines/ada/search.
      const id = idOf(c, modelNotFound);
      if ((await jobs.model(id)) === null) throw unknownUrl('POST', c.req.path);
      const { replicas = 1 } = await readBody(c, UpdateEngine, config);
      if (replicas !== 1)
        throw invalidValue('replicas', 'a model of this server has one replica; leave it out.');
      return c.json(wireEngine(id));
    });
}

/** The route by itself: who asks comes along, and the app around answers for its errors. */
const withCaller = (route: Hono) =>
  new Hono<{ Bindings: { caller: Caller } }>()
    .use(async (c, next) => {
      c.set('caller', c.env.caller);
      await next();
    })
    .onError((error) => {
      throw error;
    })
    .route('/', route);

export const UpdateEngine = z.looseObject({ replicas: z.int().optional() });

const wireEngine = (id: string) => ({
  object: 'engine',
  id,
  ready: true,
  owner: 'openai',
  created: null,
  permissions: null,
  replicas: null,
  ready_replicas: null,
  max_replicas: null,
});
