// /tunery/v1/keys: keys are made, listed and revoked here, also by the command line without a server.
import { Hono } from 'hono';
import { unixSeconds } from '../../lib/clock.ts';
import type { KeyRow } from '../../store/keys.ts';
import { SCOPES } from '../auth-scopes.ts';
import { type Deps, idOf } from '../deps.ts';
import { keyNotFound } from '../errors.ts';
import { readBody } from '../read-body.ts';
import { readQuery } from '../schemas/common.ts';
import { CreateKey, ListKeys } from '../schemas/keys.ts';

export function keys({ keys: ring, config, clock }: Pick<Deps, 'keys' | 'config' | 'clock'>): Hono {
  return new Hono()
    .post('/', async (c) => {
      const body = await readBody(c, CreateKey, { ...config, strict: true });
      // Without an administrator's key there would be no way to make the second one.
      const first = !(await ring.required());
      const standard = SCOPES.filter((scope) => scope !== 'admin' || first);
      const { key, value } = await ring.create({
        name: body.name,
        scopes: [...new Set(body.scopes ?? standard)],
        organization_id: body.organization ?? config.organization,
        project_id: body.project ?? null,
        requests_per_minute: body.requests_per_minute ?? null,
        tokens_per_minute: body.tokens_per_minute ?? null,
        token_quota: body.token_quota ?? null,
        expires_at:
          body.expires_in === undefined ? null : unixSeconds(clock.now()) + body.expires_in,
      });
      return c.json({ ...wireKey(key), value });
    })
    .get('/', async (c) => {
      const { include_revoked } = readQuery(c.req.url, ListKeys);
      const all = await ring.list();
      const data = all.filter(({ revoked_at }) => revoked_at === null || include_revoked);
      return c.json({ object: 'list', data: data.map(wireKey), has_more: false });
    })
    .delete('/:id', async (c) => {
      const id = idOf(c, keyNotFound);
      const row = await ring.revoke(id);
      if (row === null) throw keyNotFound(id);
      return c.json({ id, object: 'tunery.api_key.deleted', deleted: true });
    });
}

const wireKey = ({ sha256: _, ...key }: KeyRow) => ({ object: 'tunery.api_key', ...key });
