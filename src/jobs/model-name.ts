// What the model of a job will be called.
import { CodedError } from '../lib/coded-error.ts';
import { newId } from '../lib/id.ts';
import { say } from '../messages/say.ts';

/** `ft:{base}:{organization}:{suffix}:{id}`; without a suffix its place is empty. */
export const modelName = (base: string, organization: string, suffix: string | null) =>
  `ft:${base}:${organization.replace(/^org-/, '')}:${dashedSuffix(suffix)}:${newId('', 8)}`;

/** Punctuation and spaces become single dashes; empty without a suffix. */
export function dashedSuffix(suffix: string | null): string {
  const dashed = (suffix ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  if (suffix === null || dashed !== '') return dashed;
  const message = say('refusal.suffix', { suffix });
  throw new CodedError('invalid_value', message, { param: 'suffix' });
}

/** What a fine-tuned model's name says of its base: `ft:{base}:…` and the older `{base}:ft-…`. */
export const baseInName = (model: string): string | undefined =>
  /^ft:([^:]+):|^([^:]+):ft-/
    .exec(model)
    ?.slice(1)
    .find((base) => base !== undefined);
