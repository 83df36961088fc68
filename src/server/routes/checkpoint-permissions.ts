// /v1/fine_tuning/checkpoints/{model}/permissions: which projects a fine-tuned model is shared with. The
// model is named by its own name or by the id of its checkpoint.
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { unixSeconds } from '../../lib/clock.ts';
import {
  grantPermission,
  listPermissions,
  type PermissionRow,
  revokePermission,
} from '../../store/checkpoint-permissions.ts';
import { servedCheckpoint } from '../../store/checkpoints.ts';
import type { Page } from '../../store/page.ts';
import { type Deps, idOf } from '../deps.ts';
import { modelNotFound, permissionNotFound } from '../errors.ts';
import { readBody } from '../read-body.ts';
import { limitOf, pageOf, readQuery } from '../schemas/common.ts';

export const CreatePermissions = z.looseObject({
  project_ids: z.array(z.string().min(1).max(255)).min(1).max(100),
});

export const ListPermissions = z.object({
  project_id: z.string().optional(),
  after: z.string().optional(),
  limit: limitOf(10),
  order: z
    .enum(['ascending', 'descending'])
    .default('descending')
    .transform((order) => (order === 'ascending' ? ('asc' as const) : ('desc' as const))),
});

export function checkpointPermissions({ store, config, clock }: Deps): Hono {
  const { database } = store;
  const modelOf = async (c: Context): Promise<string> => {
    const id = idOf(c, modelNotFound);
    const model = await servedCheckpoint(database.query, id);
    if (model === null) throw modelNotFound(id);
    return model;
  };
  return new Hono()
    .get('/:id/permissions', async (c) => {
      const { project_id = null, order, ...query } = readQuery(c.req.url, ListPermissions);
      const page = { ...pageOf(query), order };
      return c.json(
        envelope(await listPermissions(database.query, await modelOf(c), project_id, page)),
      );
    })
    .post('/:id/permissions', async (c) => {
      const model = await modelOf(c);
      const { project_ids } = await readBody(c, CreatePermissions, config);
      const now = unixSeconds(clock.now());
      const data = await database.transaction(async (query) => {
        const rows: PermissionRow[] = [];
        for (const project of new Set(project_ids))
          rows.push(await grantPermission(query, model, project, now));
        return rows;
      });
      return c.json(envelope({ data, hasMore: false }));
    })
    .delete('/:id/permissions/:permission', async (c) => {
      const model = await modelOf(c);
      const id = idOf(c, permissionNotFound, 'permission');
      const gone = await database.transaction((query) => revokePermission(query, model, id));
      if (!gone) throw permissionNotFound(id);
      return c.json({ id, object: 'checkpoint.permission', deleted: true });
    });
}

const envelope = ({ data, hasMore }: Page<PermissionRow>) => ({
  object: 'list',
  data: data.map(({ id, created_at, project_id }) => ({
    object: 'checkpoint.permission',
    id,
    created_at,
    project_id,
  })),
  first_id: data[0]?.id ?? null,
  last_id: data.at(-1)?.id ?? null,
  has_more: hasMore,
});
