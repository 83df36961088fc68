// What POST /tunery/v1/keys takes.
import { z } from 'zod';
import { SCOPES } from '../auth-scopes.ts';

const most = 2 ** 31 - 1;
// Part of model names, whose parts are joined by colons.
const label = (prefix: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'expected letters, digits, - and _, at most 63')
    .refine((name) => name !== prefix, 'expected a name after the prefix')
    .transform((name) => (name.startsWith(prefix) ? name : prefix + name));

export const CreateKey = z.looseObject({
  name: z.string().min(1).max(100).default('key'),
  /** Absent: read, infer and tune; for the first key admin too. */
  scopes: z.array(z.enum(SCOPES)).min(1).optional(),
  /** `org-…`; the prefix may be left out. Absent: the server's own. */
  organization: label('org-').optional(),
  project: label('proj_').optional(),
  requests_per_minute: z.int().min(1).max(most).optional(),
  tokens_per_minute: z.int().min(1).max(most).optional(),
  token_quota: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  /** Seconds from now. */
  expires_in: z.int().min(1).max(most).optional(),
});

export const ListKeys = z.object({
  include_revoked: z
    .enum(['true', 'false', '1', '0'])
    .default('false')
    .transform((value) => value === 'true' || value === '1'),
});
