// POST /v1/batches and the query of the list.
import { z } from 'zod';
import { limitOf, Metadata, nullFree } from './common.ts';

export const CreateBatch = z.looseObject({
  input_file_id: z.string().min(1),
  endpoint: z.string().min(1),
  completion_window: z.literal('24h'),
  metadata: Metadata.optional(),
  output_expires_after: nullFree(
    z.object({
      anchor: z.literal('created_at'),
      seconds: z.int().min(3600).max(2_592_000),
    }),
  ).optional(),
});

export const ListBatches = z.looseObject({ after: z.string().optional(), limit: limitOf(20, 100) });
