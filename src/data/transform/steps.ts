// The steps of a transformation, as they stand in a recipe.
import { z } from 'zod';
import { PII_KINDS } from '../analyse/pii.ts';

const share = z.number().positive().max(1);

export const Step = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('dedupe'),
    how: z.enum(['exact', 'near']),
    /** What must be equal: the row, the prompt, or an expression. */
    by: z.string().default('row'),
  }),
  z.strictObject({ do: z.literal('redact'), kinds: z.array(z.enum(PII_KINDS)).optional() }),
  /** Puts back what an earlier redaction took out; `map` is the file that it kept apart. */
  z.strictObject({ do: z.literal('restore'), map: z.string().min(1) }),
  z.strictObject({ do: z.literal('filter'), where: z.string().min(1) }),
  z.strictObject({ do: z.literal('shuffle') }),
  z.strictObject({
    do: z.literal('sample'),
    rows: z.int().min(1).optional(),
    share: share.optional(),
  }),
  z.strictObject({
    do: z.literal('balance'),
    how: z.enum(['under', 'over']),
    by: z.string().default('label'),
  }),
  z.strictObject({
    do: z.literal('mix'),
    path: z.string().min(1),
    /** own:general, such as 1:5. */
    ratio: z.string().regex(/^\d+(\.\d+)?:\d+(\.\d+)?$/),
    /** Draws rows again when the general set is too small. */
    repeat: z.boolean().default(false),
  }),
  /** A file for each share, the smaller ones part of the larger, for a learning curve. */
  z.strictObject({ do: z.literal('curve'), shares: z.array(share).min(2).max(20) }),
  z.strictObject({ do: z.literal('bucket'), rows: z.int().min(2) }),
  z.strictObject({
    do: z.literal('separator'),
    separator: z.string(),
    stop: z.string().default(''),
    /** Endings to take off first. */
    old: z.array(z.string().min(1)).default([]),
  }),
  /** Without `prefix`, what all prompts begin with. */
  z.strictObject({ do: z.literal('strip-prefix'), prefix: z.string().min(1).optional() }),
  z.strictObject({ do: z.literal('few-shot'), shots: z.int().min(1).max(20) }),
  z.strictObject({
    do: z.literal('split'),
    /** Name → share; together 1. */
    parts: z
      .record(z.string().regex(/^\w+$/), share)
      .refine(
        (parts) => Math.abs(Object.values(parts).reduce((sum, part) => sum + part, 0) - 1) < 1e-6,
        'the shares must add up to 1',
      ),
    how: z.enum(['random', 'stratified', 'group', 'time']),
    by: z.string().optional(),
  }),
]);
export type Step = z.infer<typeof Step>;

export const Manifest = z.looseObject({
  object: z.literal('tunery.data_manifest'),
  seed: z.int().min(0),
  steps: z.array(Step),
  inputs: z
    .array(
      z.looseObject({
        path: z.string(),
        sha256: z.string(),
        rows: z.int(),
        sheet: z.string().optional(),
        encoding: z.string().optional(),
      }),
    )
    .min(1),
  outputs: z.array(z.looseObject({ path: z.string(), sha256: z.string(), rows: z.int() })),
});
export type Manifest = z.infer<typeof Manifest>;

/** The step with the files that it names changed. */
export function withPaths(step: Step, change: (path: string) => string): Step {
  if (step.do === 'mix') return { ...step, path: change(step.path) };
  return step.do === 'restore' ? { ...step, map: change(step.map) } : step;
}
