// POST /v1/fine_tuning/jobs and the queries of its lists.
import { z } from 'zod';
import { Integrations } from '../../jobs/integration.ts';
import { Hyperparameters, TrainingOptions } from '../../jobs/protocol.ts';
import { say } from '../../messages/say.ts';
import type { Config } from '../config.ts';
import { invalidValue, unsupported } from '../errors.ts';
import { limitOf, Metadata, nullFree } from './common.ts';

const Method = z.looseObject({
  type: z.enum(['supervised', 'dpo', 'reinforcement']),
  // The other methods' keys may be present and mean nothing; the official suite sends all three.
  supervised: nullFree(
    z.looseObject({ hyperparameters: nullFree(Hyperparameters).optional() }),
  ).optional(),
});

export const CreateJob = z.looseObject({
  model: z.string().min(1),
  training_file: z.string().min(1),
  validation_file: z.string().min(1).optional(),
  method: nullFree(Method).optional(),
  hyperparameters: nullFree(Hyperparameters).optional(),
  suffix: z.string().min(1).max(64).optional(),
  seed: z.int().min(0).max(2_147_483_647).optional(),
  integrations: Integrations.optional(),
  metadata: Metadata.optional(),
  tunery: nullFree(TrainingOptions).optional(),
});
export type CreateJob = z.infer<typeof CreateJob>;

/** What the shape cannot say: parts of the API that do not work here yet, and misplaced knobs. */
export function checkCreateJob(body: CreateJob, { wandb }: Pick<Config, 'wandb'>): void {
  if (body.method !== undefined && body.method.type !== 'supervised')
    throw unsupported('method.type', `'${body.method.type}'; use 'supervised'`);
  if (body.integrations !== undefined && body.integrations.length > 0 && wandb === null)
    throw invalidValue(
      'integrations',
      'this server has no Weights & Biases to send metrics to. Start it with WANDB_BASE_URL (such as https://api.wandb.ai) and WANDB_API_KEY, or leave `integrations` out.',
    );
  checkGeneralRows(body.tunery);
  for (const [knobs, home] of [
    [Hyperparameters, 'hyperparameters'],
    [TrainingOptions, 'tunery'],
  ] as const) {
    // Without this, a knob of the older API would be ignored like any unknown field.
    const stray = Object.keys(knobs.shape).find((knob) => body[knob] !== undefined);
    if (stray !== undefined) throw invalidValue(stray, say('refusal.misplaced', { home }));
  }
}

/** A file without a ratio, or the other way round, would have no effect. */
export function checkGeneralRows(options: TrainingOptions | undefined): void {
  const { general_file: file, general_ratio: ratio } = options ?? {};
  if ((file === undefined) !== (ratio === undefined))
    throw invalidValue(
      file === undefined ? 'tunery.general_file' : 'tunery.general_ratio',
      say('refusal.general_pair'),
    );
}

/** Both spellings; `method` wins. */
export const hyperparametersOf = (body: CreateJob): Hyperparameters =>
  body.method?.supervised?.hyperparameters ?? body.hyperparameters ?? Hyperparameters.parse({});

export const ListJobs = z.looseObject({ after: z.string().optional(), limit: limitOf(20) });

export const ListEvents = z.object({
  after: z.string().optional(),
  limit: limitOf(20),
  stream: z
    .enum(['true', 'false', 'True', 'False', '1', '0']) // Python clients capitalize
    .default('false')
    .transform((stream) => /^(true|1)$/i.test(stream)),
});

export const ListCheckpoints = z.object({ after: z.string().optional(), limit: limitOf(10) });

/** `metadata[k]=v` pairs; null for `metadata=null`, which asks for jobs without any. */
export function metadataFilter(query: Readonly<Record<string, unknown>>) {
  if (query['metadata'] === 'null' || query['metadata'] === '') return null;
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    const key = /^metadata\[(.*)\]$/.exec(name)?.[1];
    return key === undefined ? [] : [[key, String(value)] as const];
  });
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}
