// Bodies of /v1/uploads.
import { z } from 'zod';
import { nullFree } from './common.ts';
import { ExpiresAfter, PURPOSES } from './files.ts';

export const createUpload = (mostBytes: number) =>
  z.looseObject({
    filename: z.string().min(1),
    purpose: z.enum(PURPOSES),
    bytes: z.int().min(0).max(mostBytes),
    mime_type: z.string().min(1).max(255),
    expires_after: nullFree(ExpiresAfter).optional(),
  });

export const CompleteUpload = z.looseObject({
  part_ids: z.array(z.string()),
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/i, 'expected 32 hexadecimal digits')
    .optional(),
});
