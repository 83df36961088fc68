// What the server or the command line and the child of a data task say to each other. Data tasks run
// in a child of their own: they take long, and only a child may open a model's tokenizer.
import { z } from 'zod';
import type { Asked, ChatBody, Plan, Told } from '../data/documents/ask.ts';
import { TABLE_FORMATS } from '../data/read-table/table.ts';

const language = z.enum(['en', 'zh-CN']);
const reading = {
  path: z.string().min(1),
  sheet: z.string().optional(),
  encoding: z.string().optional(),
  /** Of what goes wrong; English where it is left out. */
  language: language.optional(),
};

export const CheckTask = z.object({
  kind: z.literal('check'),
  ...reading,
  valid: z.string().nullable(),
  /** Path of a GGUF file or folder; null: tokens are counted with cl100k_base. */
  model: z.string().nullable(),
  /** What the report calls it. */
  modelName: z.string().nullable(),
  contextLength: z.int().min(8).nullable(),
  near: z.boolean(),
  screen: z.int().min(0),
  prices: z.string().nullable(),
  /** Writes an HTML page there. */
  html: z.string().nullable(),
  /** Null: nothing is mended. Otherwise where the mended files go. */
  fix: z
    .object({
      output: z.string(),
      validOutput: z.string().nullable(),
      /** Placeholder → text. */
      fill: z.record(z.string(), z.string()),
    })
    .nullable(),
  language,
});
export type CheckTask = z.infer<typeof CheckTask>;

export const PreviewTask = z.object({
  kind: z.literal('preview'),
  ...reading,
  model: z.string().min(1),
  contextLength: z.int().min(8).nullable(),
  /** Numbers of rows from 1; null: the first `count`. */
  rows: z.array(z.int().min(1)).nullable(),
  count: z.int().min(1).max(1000),
});
export type PreviewTask = z.infer<typeof PreviewTask>;

export const ConvertTask = z.object({
  kind: z.literal('convert'),
  ...reading,
  /** Name of the set inside a dataset_info.json; null for other inputs. */
  set: z.string().nullable(),
  /** Null: found by looking at the rows. */
  from: z.string().nullable(),
  to: z.string(),
  output: z.string(),
  system: z.string().nullable(),
  separator: z.string(),
  stop: z.string(),
  /** Placeholder → text, and any text → another. */
  fill: z.record(z.string(), z.string()),
  replace: z.array(z.tuple([z.string().min(1), z.string()])),
  /** Own keys → known ones. */
  map: z.record(z.string(), z.string()),
  /** Draws this many rows. */
  sample: z.int().min(1).nullable(),
  seed: z.int().min(0),
  skipBad: z.boolean(),
});
export type ConvertTask = z.infer<typeof ConvertTask>;

export const TransformTask = z.object({
  kind: z.literal('transform'),
  ...reading,
  inputName: z.string().optional(),
  output: z.string(),
  /** Steps in order; their form is src/data/transform/steps.ts. */
  steps: z.array(z.unknown()),
  seed: z.int().min(0),
});
export type TransformTask = z.infer<typeof TransformTask>;

export const OverlapTask = z.object({
  kind: z.literal('overlap'),
  ...reading,
  other: z.string().min(1),
});
export type OverlapTask = z.infer<typeof OverlapTask>;

const partSource = z.union([
  z.strictObject({ column: z.string().min(1) }),
  z.strictObject({ template: z.string().min(1) }),
]);

export const PrepareTask = z.object({
  kind: z.literal('prepare'),
  ...reading,
  format: z.enum(TABLE_FORMATS).optional(),
  /** The files that are written are named after this: `…_prepared.jsonl`. */
  output: z.string().min(1),
  fix: z.boolean(),
  prompt: partSource.nullable(),
  completion: partSource.nullable(),
  to: z.enum(['completion', 'chat']).nullable(),
  system: z.string().nullable(),
  /** COLUMN=VALUE or COLUMN!=VALUE; all must hold. */
  where: z.array(z.string()),
  sample: z.int().min(1).nullable(),
  seed: z.int().min(0),
  names: z.object({ name: z.string().optional(), author: z.string().optional() }),
  language,
});
export type PrepareTask = z.infer<typeof PrepareTask>;

/** How a model is asked; `src/data/documents/ask.ts` says what each is. */
const settings = z.object({
  model: z.string().min(1),
  endpoint: z.string(),
  maxTokens: z.int().min(1),
  temperature: z.number().min(0),
  seed: z.int().nullable(),
  parallel: z.int().min(1).max(64),
  memory: z.string().min(1),
});

const DocumentsTask = z.object({
  kind: z.literal('documents'),
  documents: z
    .array(z.object({ path: z.string().min(1), name: z.string(), fileId: z.string().nullable() }))
    .min(1),
  output: z.string().min(1),
  questions: z.int().min(1),
  chunk: z.int().min(1),
  questionLanguage: z.string().nullable(),
  system: z.string().nullable(),
  license: z.string().nullable(),
  inline: z.boolean(),
  skipUnreadable: z.boolean(),
  dryRun: z.boolean(),
  settings,
  language: language.optional(),
});

const RationaleTask = z.object({
  kind: z.literal('rationale'),
  ...reading,
  name: z.string(),
  output: z.string().min(1),
  dryRun: z.boolean(),
  settings,
});

const DistilTask = z.object({
  kind: z.literal('distil'),
  ...reading,
  name: z.string(),
  output: z.string().min(1),
  system: z.string().nullable(),
  inline: z.boolean(),
  dryRun: z.boolean(),
  settings,
});

const GenerateTask = z.object({
  kind: z.literal('generate'),
  topic: z.string().min(1),
  aspects: z.array(z.string().min(1)),
  count: z.int().min(1),
  like: z.object({ path: z.string().min(1), name: z.string() }).nullable(),
  turns: z.int().min(1).nullable(),
  questionLanguage: z.string().nullable(),
  system: z.string().nullable(),
  inline: z.boolean(),
  output: z.string().min(1),
  dryRun: z.boolean(),
  settings,
  language: language.optional(),
});

export const DataTask = z.discriminatedUnion('kind', [
  PrepareTask,
  CheckTask,
  PreviewTask,
  ConvertTask,
  TransformTask,
  OverlapTask,
  DocumentsTask,
  RationaleTask,
  DistilTask,
  GenerateTask,
]);
export type DataTask = z.infer<typeof DataTask>;

export const ToData = z.discriminatedUnion('type', [
  z.object({ type: z.literal('task'), task: DataTask }),
  /** Codes of the fixes that were agreed to. */
  z.object({ type: z.literal('answers'), codes: z.array(z.string()) }),
  /** A model's answer to `ask`. */
  z.object({ type: z.literal('asked'), id: z.int(), asked: z.custom<Asked>() }),
  z.object({
    type: z.literal('not-asked'),
    id: z.int(),
    code: z.string().nullable(),
    message: z.string(),
    param: z.string().nullable(),
  }),
]);
export type ToData = z.infer<typeof ToData>;

export const Question = z.object({
  code: z.string(),
  file: z.enum(['train', 'valid']),
  rows: z.int(),
  message: z.string(),
  advice: z.string(),
  /** Rows would go that may be sound: a yes to everything is no yes to this. */
  doubtful: z.boolean(),
});
export type Question = z.infer<typeof Question>;

export const FromData = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), stage: z.string(), rows: z.int(), file: z.string() }),
  /** Waits for `answers`. */
  z.object({ type: z.literal('questions'), report: z.unknown(), questions: z.array(Question) }),
  /** What asking a model will take, and how far it is. */
  z.object({ type: z.literal('plan'), plan: z.custom<Plan>() }),
  z.object({ type: z.literal('told'), told: z.custom<Told>() }),
  /** A request to a model, which only the parent can reach; it answers with `asked` or `not-asked`. */
  z.object({ type: z.literal('ask'), id: z.int(), body: z.custom<ChatBody>() }),
  z.object({ type: z.literal('result'), value: z.unknown() }),
  z.object({
    type: z.literal('fail'),
    code: z.string(),
    message: z.string(),
    param: z.string().nullable(),
  }),
]);
export type FromData = z.infer<typeof FromData>;
