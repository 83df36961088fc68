// /v1/batches: files of requests that this server answers within a day.
import { type Context, Hono } from 'hono';
import type { BatchRow } from '../../store/batches.ts';
import { type Deps, idOf } from '../deps.ts';
import { batchNotFound, invalidValue } from '../errors.ts';
import { removeExpired } from '../expiry.ts';
import { readBody } from '../read-body.ts';
import { CreateBatch, ListBatches } from '../schemas/batches.ts';
import { pageOf, readQuery } from '../schemas/common.ts';

/** What the original takes in batches and has to do with text. */
const ENDPOINTS = [
  '/v1/responses',
  '/v1/chat/completions',
  '/v1/embeddings',
  '/v1/completions',
  '/v1/moderations',
];

export function batches(deps: Deps, app: Pick<Hono, 'routes'>): Hono {
  const { batches, config } = deps;
  const found = (c: Context, batch: BatchRow | null) => {
    if (batch === null) throw batchNotFound(idOf(c, batchNotFound));
    return c.json(wireBatch(batch));
  };
  return new Hono()
    .post('/', async (c) => {
      const body = await readBody(c, CreateBatch, config);
      const served = ENDPOINTS.filter((path) => isServed(app, path));
      if (!served.includes(body.endpoint))
        throw invalidValue('endpoint', `expected one of ${served.join(', ')}.`);
      await removeExpired(deps);
      const { key, organization } = c.get('caller');
      const batch = await batches.create({
        input_file_id: body.input_file_id,
        endpoint: body.endpoint,
        completion_window: body.completion_window,
        metadata: body.metadata ?? null,
        output_expires_after: body.output_expires_after?.seconds ?? null,
        organization,
        keyId: key?.id ?? null,
      });
      return c.json(wireBatch(batch));
    })
    .get('/', async (c) => {
      const { data, hasMore } = await batches.list(pageOf(readQuery(c.req.url, ListBatches)));
      return c.json({
        object: 'list',
        data: data.map(wireBatch),
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: hasMore,
      });
    })
    .get('/:id', async (c) => found(c, await batches.get(idOf(c, batchNotFound))))
    .post('/:id/cancel', async (c) => found(c, await batches.cancel(idOf(c, batchNotFound))));
}

const isServed = ({ routes }: Pick<Hono, 'routes'>, path: string) =>
  routes.some((route) => route.method === 'POST' && route.path === path);

function wireBatch(batch: BatchRow) {
  const { usage } = batch;
  return {
    id: batch.id,
    object: 'batch',
    endpoint: batch.endpoint,
    ...(batch.model === null ? {} : { model: batch.model }),
    errors: batch.errors && { object: 'list', data: batch.errors },
    input_file_id: batch.input_file_id,
    completion_window: batch.completion_window,
    status: batch.status,
    output_file_id: batch.output_file_id,
    error_file_id: batch.error_file_id,
    created_at: batch.created_at,
    in_progress_at: batch.in_progress_at,
    expires_at: batch.expires_at,
    finalizing_at: batch.finalizing_at,
    completed_at: batch.completed_at,
    failed_at: batch.failed_at,
    expired_at: batch.expired_at,
    cancelling_at: batch.cancelling_at,
    cancelled_at: batch.cancelled_at,
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    ...(usage === null ? {} : { usage: wireUsage(usage) }),
    metadata: batch.metadata,
  };
}

const wireUsage = (usage: NonNullable<BatchRow['usage']>) => ({
  input_tokens: usage.input_tokens,
  input_tokens_details: { cached_tokens: usage.cached_tokens },
  output_tokens: usage.output_tokens,
  output_tokens_details: { reasoning_tokens: usage.reasoning_tokens },
  total_tokens: usage.input_tokens + usage.output_tokens,
});
