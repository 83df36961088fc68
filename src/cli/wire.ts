// The answers of the API that the command line reads, as far as it reads them. Loose: what else an
// object holds is kept for --json.
import { z } from 'zod';

export const FileObject = z.looseObject({
  id: z.string(),
  filename: z.string(),
  bytes: z.number(),
  purpose: z.string(),
  created_at: z.number(),
});
export type FileObject = z.infer<typeof FileObject>;

export const Job = z.looseObject({
  id: z.string(),
  created_at: z.number(),
  finished_at: z.number().nullish(),
  model: z.string(),
  status: z.string(),
  fine_tuned_model: z.string().nullable(),
  training_file: z.string(),
  trained_tokens: z.number().nullish(),
  result_files: z.array(z.string()).default([]),
  error: z.looseObject({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});
export type Job = z.infer<typeof Job>;

export const JobEvent = z.looseObject({
  id: z.string(),
  created_at: z.number(),
  level: z.string(),
  message: z.string(),
  type: z.string().optional(),
  data: z.record(z.string(), z.unknown()).nullish(),
});
export type JobEvent = z.infer<typeof JobEvent>;

export const Checkpoint = z.looseObject({
  id: z.string(),
  created_at: z.number(),
  fine_tuned_model_checkpoint: z.string(),
  step_number: z.number(),
  metrics: z.record(z.string(), z.unknown()),
});

export const Model = z.looseObject({
  id: z.string(),
  created: z.number(),
  owned_by: z.string(),
  tunery: z.looseObject({ aliases: z.array(z.string()).optional() }).optional(),
});

export const ApiKey = z.looseObject({
  id: z.string(),
  name: z.string(),
  redacted_value: z.string(),
  scopes: z.array(z.string()),
  organization_id: z.string(),
  expires_at: z.number().nullable(),
  last_used_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
});

/** The one answer that holds the key itself. */
export const NewApiKey = ApiKey.extend({ value: z.string() });

export const Deleted = z.looseObject({ id: z.string(), deleted: z.boolean() });

export const listOf = <T extends z.ZodType>(item: T) =>
  z.looseObject({ data: z.array(item), has_more: z.boolean().optional() });

export const ChatChunk = z.looseObject({
  choices: z.array(
    z.looseObject({
      delta: z.looseObject({ content: z.string().nullish() }),
      finish_reason: z.string().nullish(),
    }),
  ),
});

export const ErrorBody = z.looseObject({
  error: z.looseObject({
    message: z.string(),
    param: z.string().nullish(),
    code: z.string().nullish(),
  }),
});

export const isTerminal = ({ status }: Job) =>
  status === 'succeeded' || status === 'failed' || status === 'cancelled';
