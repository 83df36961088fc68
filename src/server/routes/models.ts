// /v1/models: base models, fine-tuned models and their checkpoints. An id may contain slashes and come
// encoded or not, so the rest of the path is the id.
import { type Context, Hono } from 'hono';
import type { Model } from '../../jobs/jobs.ts';
import { type Deps, idOf } from '../deps.ts';
import { modelNotFound, modelOfJob } from '../errors.ts';

export function models({ jobs }: Deps): Hono {
  const find = async (c: Context): Promise<Model> => {
    const id = idOf(c, modelNotFound);
    const model = await jobs.model(id);
    if (model !== null) return model;
    const made = /^ft(job)?-\w+$/.test(id) ? await modelMadeBy(id) : null;
    throw made === null ? modelNotFound(id) : modelOfJob(id, made.id);
  };
  const modelMadeBy = async (job: string) => {
    const { fine_tuned_model } = await jobs.get(job).catch(() => ({ fine_tuned_model: null }));
    return fine_tuned_model === null ? null : await jobs.model(fine_tuned_model);
  };
  return new Hono()
    .get('/', async (c) => c.json({ object: 'list', data: (await jobs.models()).map(wireModel) }))
    .get('/:id{.+}', async (c) => c.json(wireModel(await find(c))))
    .delete('/:id{.+}', async (c) => {
      const { id } = await find(c);
      await jobs.deleteModel(id);
      return c.json({ id, object: 'model', deleted: true });
    });
}

const wireModel = ({ id, created_at, owned_by, kind, target, aliases }: Model) => ({
  id,
  object: 'model',
  created: created_at,
  owned_by,
  tunery: {
    kind,
    ...(target === undefined ? {} : { model: target }),
    ...(aliases === undefined ? {} : { aliases }),
  },
});
