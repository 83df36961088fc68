// Shapes that several endpoints share.
import { z } from 'zod';
import { fromIssues, invalidValue } from '../errors.ts';

/** A nested object whose null fields count as absent. */
export const nullFree = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null));
  }, schema);

export const Metadata = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'expected at most 16 pairs');

const count = (text: unknown) =>
  typeof text === 'string' && /^\d{1,9}$/.test(text) ? Number(text) : text;

/** `limit` of a list: 0 is an empty page. */
export const limitOf = (standard: number, most = 1000) =>
  z.preprocess(count, z.int().min(0).max(most)).default(standard);

/** Without `after: undefined`, which exact optional properties forbid. */
export const pageOf = ({ after, limit }: { after?: string | undefined; limit: number }) =>
  after === undefined ? { limit } : { after, limit };

/** Query parameters; an empty one counts as absent. */
export function readQuery<Schema extends z.ZodObject>(
  url: string,
  schema: Schema,
): z.output<Schema> {
  const query: Record<string, string> = {};
  for (const [name, value] of new URL(url).searchParams) {
    if (value.includes('\0')) throw invalidValue(name, 'a NUL character is not allowed.');
    // The official client writes `metadata: null` as an empty value, and `metadata[k]=` asks for ''.
    if (value !== '' || /^metadata(\[|$)/.test(name)) query[name] = value;
  }
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  throw fromIssues(parsed.error.issues, query);
}
