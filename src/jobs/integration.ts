// Where a job's metrics are sent besides: shapes of the wire, and what Tunery adds to them.
import { z } from 'zod';

const Wandb = z.object({
  project: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[^/\\#?%:]+$/, 'expected a name without / \\ # ? % :'),
  name: z.string().min(1).max(128).nullish(),
  entity: z.string().min(1).max(128).nullish(),
  tags: z.array(z.string().min(1).max(64)).max(50).nullish(),
});

export const Integration = z.object({ type: z.literal('wandb'), wandb: Wandb });
export type Integration = z.infer<typeof Integration>;
export const Integrations = z.array(Integration).max(5);

/** A run as Weights & Biases knows it. */
export type WandbRun = {
  readonly id: string;
  readonly project: string;
  readonly entity: string | null;
  readonly displayName: string;
  readonly tags: readonly string[];
};

/** The id follows from the job, so that a run that is made again after a restart is the same run. */
export function runOf(
  { wandb }: Integration,
  job: { readonly id: string; readonly model: string },
  index: number,
): WandbRun {
  return {
    id: index === 0 ? job.id : `${job.id}-${index + 1}`,
    project: wandb.project,
    entity: wandb.entity ?? null,
    displayName: wandb.name ?? job.id,
    tags: [...(wandb.tags ?? []), 'openai/fine-tuning', `openai/${job.id}`, `openai/${job.model}`],
  };
}
