// The fields of an upload and the query of the file list.
import { z } from 'zod';
import { fromIssues, invalidValue, missingParameter } from '../errors.ts';
import { limitOf } from './common.ts';

export const PURPOSES = [
  'assistants',
  'batch',
  'fine-tune',
  'vision',
  'user_data',
  'evals',
] as const;

export const ExpiresAfter = z.object({
  anchor: z.literal('created_at'),
  seconds: z.int().min(3600).max(2_592_000),
});

export const UploadFields = z.object({
  purpose: z.enum(PURPOSES),
  expires_after: ExpiresAfter.optional(),
});

export function readUploadFields(
  fields: ReadonlyMap<string, string>,
): z.infer<typeof UploadFields> {
  const anchor = fields.get('expires_after[anchor]');
  const seconds = fields.get('expires_after[seconds]');
  if (fields.has('expires_after'))
    throw invalidValue(
      'expires_after',
      'send its two fields as parts of their own, expires_after[anchor] and expires_after[seconds].',
    );
  const input = {
    purpose: fields.get('purpose'),
    ...(anchor === undefined && seconds === undefined
      ? {}
      : {
          expires_after: { anchor, seconds: seconds === undefined ? undefined : Number(seconds) },
        }),
  };
  if (input.purpose === undefined) throw missingParameter('purpose');
  const parsed = UploadFields.safeParse(input);
  if (parsed.success) return parsed.data;
  throw fromIssues(parsed.error.issues, input);
}

export const ListFiles = z.object({
  after: z.string().optional(),
  limit: limitOf(10_000, 10_000),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z.string().optional(),
});
