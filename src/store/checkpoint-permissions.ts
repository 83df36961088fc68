// Rows of the `checkpoint_permissions` table: the projects that a fine-tuned model is shared with.
import { newId } from '../lib/id.ts';
import type { Query } from './database.ts';
import { listPage, type Page, type PageRequest, rememberPlace } from './page.ts';

export type PermissionRow = {
  readonly id: string;
  readonly created_at: number;
  readonly project_id: string;
};

const COLUMNS = 'id, created_at, project_id';

/** The permission that the project has from now on; the same one as before when it had one. */
export async function grantPermission(
  query: Query,
  model: string,
  projectId: string,
  now: number,
): Promise<PermissionRow> {
  const [row] = await query<PermissionRow>(
    `insert into checkpoint_permissions (id, model, created_at, project_id) values ($1, $2, $3, $4)
     on conflict (model, project_id) do update set project_id = excluded.project_id
     returning ${COLUMNS}`,
    [newId('cp_'), model, now, projectId],
  );
  return row!; // inserted or updated
}

export function listPermissions(
  query: Query,
  model: string,
  projectId: string | null,
  page: PageRequest,
): Promise<Page<PermissionRow>> {
  const all = { table: 'checkpoint_permissions', columns: COLUMNS };
  return projectId === null
    ? listPage(query, { ...all, where: 'model = $1', params: [model] }, page)
    : listPage(
        query,
        { ...all, where: 'model = $1 and project_id = $2', params: [model, projectId] },
        page,
      );
}

/** Ids of the models that belong to another project, which does not share them with this one; with `id`,
 *  that one or none. */
export async function modelsHiddenFrom(
  query: Query,
  project: string,
  id: string | null = null,
): Promise<string[]> {
  const rows = await query<{ id: string }>(
    `select id from models
      where project_id <> $1 and ($2::text is null or id = $2) and not exists
        (select 1 from checkpoint_permissions where model = models.id and project_id = $1)`,
    [project, id],
  );
  return rows.map((row) => row.id);
}

/** False: the model has no such permission. */
export async function revokePermission(query: Query, model: string, id: string): Promise<boolean> {
  const [gone] = await query<{ seq: number }>(
    'delete from checkpoint_permissions where model = $1 and id = $2 returning seq',
    [model, id],
  );
  if (gone !== undefined) await rememberPlace(query, id, gone.seq);
  return gone !== undefined;
}
