// What the server and the child of a job say to each other. The server writes a request file into the
// job's directory, forks `worker.ts` with its path, and reads these messages from the IPC channel.
// Neither tensors nor SQL cross this line.
import { z } from 'zod';

export const LINEAR_LAYERS = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;

const autoOr = <T extends z.ZodType>(schema: T) => z.union([z.literal('auto'), schema]);

/** The three knobs of the wire, with the API's ranges. */
export const Hyperparameters = z.strictObject({
  n_epochs: autoOr(z.int().min(1).max(50)).default('auto'),
  batch_size: autoOr(z.int().min(1).max(256)).default('auto'),
  learning_rate_multiplier: autoOr(z.number().positive().finite()).default('auto'),
});
export type Hyperparameters = z.infer<typeof Hyperparameters>;

/** Tunery's own knobs: the `tunery` object on job creation, all optional on the wire. */
export const TrainingOptions = z.strictObject({
  rank: z.int().min(1).max(256).default(8),
  /** Absent: twice the rank. */
  alpha: z.number().positive().finite().optional(),
  targets: z
    .array(z.enum(LINEAR_LAYERS))
    .min(1)
    .transform((layers) => [...new Set(layers)])
    .default([...LINEAR_LAYERS]),
  rank_stabilized: z.boolean().default(false),
  precision: z.enum(['auto', 'int8', 'f32']).default('auto'),
  /** Base learning rate; `learning_rate_multiplier` multiplies it. Absent: the model's own. */
  learning_rate: z.number().positive().finite().optional(),
  schedule: z.enum(['linear', 'cosine', 'constant']).default('linear'),
  warmup_ratio: z.number().min(0).max(1).default(0.03),
  weight_decay: z.number().min(0).finite().default(0),
  max_grad_norm: z.number().positive().finite().default(1),
  /** Tokens; absent: the smaller of the model's context and 4096. */
  context_length: z.int().min(8).optional(),
  long_rows: z.enum(['cut', 'refuse']).default('cut'),
  /** Seconds between checkpoints inside an epoch. */
  checkpoint_seconds: z.number().positive().default(120),
  threads: z.int().min(1).max(256).optional(),
  /** Whether the rows are judged by the moderation classifier, and what follows. */
  moderation: z.enum(['off', 'warn', 'refuse']).default('off'),
  /** An uploaded file whose rows are mixed in, at own:general rows such as 1:5. Both or neither. */
  general_file: z.string().min(1).optional(),
  general_ratio: z
    .string()
    .regex(/^\d{1,6}(\.\d{1,6})?:\d{1,6}(\.\d{1,6})?$/, 'must be two numbers such as 1:5')
    .refine((ratio) => ratio.split(':').every((part) => Number(part) > 0), 'must have no zero')
    .optional(),
});
export type TrainingOptions = z.infer<typeof TrainingOptions>;

/** What only a legacy fine-tune (`/v1/fine-tunes`) asks for; its rows are prompt–completion pairs. */
export const LegacyOptions = z.strictObject({
  /** Weight of each prompt token's loss; a completion token has 1. */
  prompt_loss_weight: z.number().min(0).max(1),
  /** Null: no classification metrics. */
  classification: z
    .strictObject({
      n_classes: z.int().min(2).nullable(),
      /** A whole completion, such as ` baseball`. Null: metrics of several classes. */
      positive_class: z.string().nullable(),
      betas: z.array(z.number().positive()),
    })
    .nullable(),
});
export type LegacyOptions = z.infer<typeof LegacyOptions>;

export const TrainRequest = z.strictObject({
  jobId: z.string(),
  /** The job's own directory; plan, rows, checkpoints and results live here. */
  directory: z.string(),
  /** A GGUF file. */
  baseModel: z.string(),
  trainingFile: z.string(),
  validationFile: z.string().nullable(),
  /** Rows to be mixed into the training rows at `options.general_ratio`. */
  generalFile: z.string().nullable().default(null),
  /** PEFT adapter folder of the model that is trained further. */
  startAdapter: z.string().nullable(),
  seed: z.int(),
  hyperparameters: Hyperparameters,
  options: TrainingOptions,
  legacy: LegacyOptions.nullable().default(null),
});
export type TrainRequest = z.infer<typeof TrainRequest>;

/** What `prepare` found out; every `auto` is a number here. Written to `plan.json` too. */
export const Plan = z.strictObject({
  format: z.enum(['chat', 'completion']),
  trainRows: z.int(),
  validRows: z.int(),
  /** Tokens of the training file after cutting; one epoch. */
  tokensPerEpoch: z.int(),
  targetTokensPerEpoch: z.int(),
  hyperparameters: z.strictObject({
    n_epochs: z.int(),
    batch_size: z.int(),
    learning_rate_multiplier: z.number(),
  }),
  /** Peak rate of the optimizer = base rate × multiplier. */
  learningRate: z.number(),
  precision: z.enum(['int8', 'f32']),
  threads: z.int(),
  contextLength: z.int(),
  totalSteps: z.int(),
  trainedTokens: z.int(),
  memoryBytes: z.number(),
  estimatedSeconds: z.number(),
  cut: z.array(z.strictObject({ file: z.string(), line: z.int(), tokens: z.int(), lost: z.int() })),
  /** The classes of a legacy classifier, and the token that says each; it stands `offset` tokens after
   *  the answer's first. */
  labels: z
    .strictObject({
      offset: z.int(),
      classes: z.array(z.strictObject({ label: z.string(), token: z.int() })),
    })
    .optional(),
});
export type Plan = z.infer<typeof Plan>;

/** What a legacy fine-tune measures besides. */
const LegacyMetrics = z.strictObject({
  /** Tokens and rows trained on so far, repeats included. */
  elapsedTokens: z.int(),
  elapsedExamples: z.int(),
  /** Share of completions with every token right. */
  trainSequenceAccuracy: z.number(),
  validSequenceAccuracy: z.number().nullable(),
  /** By the column's name, such as `classification/accuracy`; at the end of an epoch. */
  classification: z.record(z.string(), z.number()).nullable(),
});
export type LegacyMetrics = z.infer<typeof LegacyMetrics>;

/** Null where nothing was measured at this step. Losses in nats per target token. */
export const StepMetrics = z.strictObject({
  step: z.int(),
  trainLoss: z.number(),
  trainAccuracy: z.number(),
  validLoss: z.number().nullable(),
  validAccuracy: z.number().nullable(),
  fullValidLoss: z.number().nullable(),
  fullValidAccuracy: z.number().nullable(),
  legacy: LegacyMetrics.optional(),
});
export type StepMetrics = z.infer<typeof StepMetrics>;

/** Messages of the child. `fail` is the last one where it appears; a child that exits without `done`
 *  or `fail` has crashed and is started again from its last checkpoint. */
export const WorkerMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('planned'), plan: Plan }),
  z.strictObject({ type: z.literal('note'), level: z.enum(['info', 'warn']), message: z.string() }),
  /** Sent once before the first step with `step` 0 when a validation file is given. */
  z.strictObject({
    type: z.literal('step'),
    metrics: StepMetrics,
    totalSteps: z.int(),
    epoch: z.int(),
    learningRate: z.number(),
    gradNorm: z.number(),
    /** Target tokens per second of this step. */
    targetTokensPerSecond: z.number(),
    secondsLeft: z.number(),
  }),
  /** A servable checkpoint (end of an epoch): PEFT folder and GGUF adapter are on disk. */
  z.strictObject({
    type: z.literal('checkpoint'),
    metrics: StepMetrics,
    adapter: z.string(),
    ggufAdapter: z.string(),
  }),
  z.strictObject({
    type: z.literal('trained'),
    adapter: z.string(),
    ggufAdapter: z.string(),
    trainedTokens: z.int(),
    validLossBefore: z.number().nullable(),
    validLossAfter: z.number().nullable(),
    /** At most 20 held-out (else training) rows with the trainer's own f32 log-probabilities of ids[1..]. */
    parity: z.array(z.strictObject({ ids: z.array(z.int()), logProbs: z.array(z.number()) })),
  }),
  z.strictObject({ type: z.literal('result'), value: z.unknown() }),
  z.strictObject({
    type: z.literal('fail'),
    code: z.string(),
    message: z.string(),
    param: z.string().nullable(),
  }),
  z.strictObject({ type: z.literal('done') }),
]);
export type WorkerMessage = z.infer<typeof WorkerMessage>;

/** What a child can be asked to do: `node worker.ts KIND REQUEST.json`. */
export const WorkKind = z.enum(['prepare', 'train', 'export', 'import-model']);
export type WorkKind = z.infer<typeof WorkKind>;

export const ExportRequest = z.strictObject({
  baseModel: z.string(),
  adapter: z.string(),
  format: z.enum(['peft', 'merged', 'gguf-adapter']),
  output: z.string(),
});
export type ExportRequest = z.infer<typeof ExportRequest>;

/** Reads a Hugging Face folder and writes one GGUF file. */
export const ImportRequest = z.strictObject({ source: z.string(), output: z.string() });
export type ImportRequest = z.infer<typeof ImportRequest>;
