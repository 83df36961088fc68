// POST /v1/moderations
import { z } from 'zod';
import { missingParameter, unsupported } from '../errors.ts';

// A megabyte would keep everybody waiting for half a second.
const Text = z.string().max(200_000);
const Part = z.looseObject({ type: z.string(), text: Text.optional() });

export const CreateModeration = z.looseObject({
  input: z.union([Text, z.array(Text).min(1).max(2048), z.array(Part).min(1).max(2048)]),
  model: z.string().min(1).default('omni-moderation-latest'),
});

/** What each result is about: every string of a list by itself, all parts of a message together. */
export function textsOf(input: z.infer<typeof CreateModeration>['input']): string[] {
  if (typeof input === 'string') return [input];
  const parts = input.map((item, i) => (typeof item === 'string' ? item : textOf(item, i)));
  return typeof input[0] === 'string' ? parts : [parts.join('\n')];
}

function textOf({ type, text }: z.infer<typeof Part>, index: number): string {
  if (type !== 'text')
    throw unsupported(
      `input[${index}].type`,
      `'${type}'; this server's moderation reads text parts only`,
    );
  if (text === undefined) throw missingParameter(`input[${index}].text`);
  return text;
}
