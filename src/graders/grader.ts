// The graders of the API, as they are written on the wire.
import { z } from 'zod';
import { METRIC_NAMES } from './text-similarity.ts';

const name = z.string().min(1);

export const StringCheck = z.strictObject({
  type: z.literal('string_check'),
  name,
  input: z.string(),
  reference: z.string(),
  operation: z.enum(['eq', 'ne', 'like', 'ilike']),
});

export const TextSimilarity = z.strictObject({
  type: z.literal('text_similarity'),
  name,
  input: z.string(),
  reference: z.string(),
  evaluation_metric: z.enum(METRIC_NAMES),
});

const Python = z.strictObject({
  type: z.literal('python'),
  name,
  source: z.string(),
  image_tag: z.string().optional(),
});

const Part = z.union([
  z.string(),
  z.strictObject({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() }),
]);
/** A message of the prompt. Its content is text or text parts; images and audio are refused. */
const Message = z.strictObject({
  type: z.literal('message').optional(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: z.union([Part, z.array(Part)]),
});
export type Message = z.infer<typeof Message>;

const optional = <T extends z.ZodType>(schema: T) => schema.nullish();
const SamplingParams = z.strictObject({
  seed: optional(z.int()),
  top_p: optional(z.number().min(0).max(1)),
  temperature: optional(z.number().min(0).max(2)),
  /** The published spelling. */
  max_completions_tokens: optional(z.int().min(1)),
  /** Taken without effect: the local models do not reason apart. */
  reasoning_effort: optional(z.string()),
});

const messages = z.array(Message).min(1);

export const ScoreModel = z.strictObject({
  type: z.literal('score_model'),
  name,
  model: z.string().min(1),
  input: messages,
  range: optional(
    z
      .tuple([z.number(), z.number()])
      .refine(([low, high]) => low < high, 'expected the lower end first'),
  ),
  sampling_params: optional(SamplingParams),
});
export type ScoreModel = z.infer<typeof ScoreModel>;

export const LabelModel = z
  .strictObject({
    type: z.literal('label_model'),
    name,
    model: z.string().min(1),
    input: messages,
    labels: z.array(z.string().min(1)).min(1),
    passing_labels: z.array(z.string()),
    sampling_params: optional(SamplingParams),
  })
  .refine(({ labels, passing_labels }) => passing_labels.every((label) => labels.includes(label)), {
    path: ['passing_labels'],
    message: "expected some of 'labels'",
  });
export type LabelModel = z.infer<typeof LabelModel>;

const Single = z.discriminatedUnion('type', [
  StringCheck,
  TextSimilarity,
  Python,
  ScoreModel,
  LabelModel,
]);
export type Single = z.infer<typeof Single>;

/** `graders`: by the names that the formula uses; the published description has one or a list. */
const Multi = z.strictObject({
  type: z.literal('multi'),
  name,
  graders: z.preprocess(
    (value) => (isGrader(value) ? [value] : value),
    z.union([
      z.array(Single).min(1),
      z
        .record(z.string(), Single)
        .refine((map) => Object.keys(map).length > 0, 'expected at least one grader'),
    ]),
  ),
  calculate_output: z.string().min(1),
});
export type Multi = z.infer<typeof Multi>;

export const Grader = z.discriminatedUnion('type', [
  StringCheck,
  TextSimilarity,
  Python,
  ScoreModel,
  LabelModel,
  Multi,
]);
export type Grader = z.infer<typeof Grader>;

const isGrader = (value: unknown) =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

export type Named = { readonly key: string; readonly grader: Single };

/** The graders of a multi grader with the key of each: its name in the map, or in the list. */
export const partsOf = ({ graders }: Multi): Named[] =>
  Array.isArray(graders)
    ? graders.map((grader) => ({ key: grader.name, grader }))
    : Object.entries(graders).map(([key, grader]) => ({ key, grader }));

/** The names by which a formula may call each part: its key, and in a list `{type}_score`, as the published
 *  example has it, where that is the only one of its type. */
export function variablesOf(multi: Multi): Map<string, string> {
  const parts = partsOf(multi);
  const names = new Map<string, string>();
  if (Array.isArray(multi.graders))
    for (const { key, grader } of parts)
      if (parts.filter((other) => other.grader.type === grader.type).length === 1)
        names.set(`${grader.type}_score`, key);
  for (const { key } of parts) names.set(key, key);
  return names;
}
