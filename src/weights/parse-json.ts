// JSON files of other programs: checked once, where they are read.
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';

/** Throws CodedError `invalid_json`, naming `file` and every field that is not as expected. */
export function parseJson<T>(schema: z.ZodType<T>, text: string, file: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CodedError('invalid_json', `${file} is not valid JSON.`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new CodedError('invalid_json', `${file}: ${problems.join('; ')}.`);
}

export const AnyObject: z.ZodType<Record<string, unknown>> = z.record(z.string(), z.unknown());
