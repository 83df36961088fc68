// POST /v1/fine-tunes, the service's older way to train: one flat body, completions only.
import { z } from 'zod';
import { Hyperparameters, type LegacyOptions, TrainingOptions } from '../../jobs/protocol.ts';
import { invalidValue, missingParameter } from '../errors.ts';
import { nullFree } from './common.ts';

// Without their defaults: what was not sent may stand in `hyperparameters`.
const knobs = {
  n_epochs: Hyperparameters.shape.n_epochs.unwrap().optional(),
  batch_size: Hyperparameters.shape.batch_size.unwrap().optional(),
  learning_rate_multiplier: Hyperparameters.shape.learning_rate_multiplier.unwrap().optional(),
};

export const CreateFineTune = z.looseObject({
  training_file: z.string().min(1),
  validation_file: z.string().min(1).optional(),
  model: z.string().min(1).default('curie'),
  ...knobs,
  hyperparameters: nullFree(z.strictObject(knobs)).optional(),
  prompt_loss_weight: z.number().min(0).max(1).default(0.01),
  compute_classification_metrics: z.boolean().default(false),
  classification_n_classes: z.int().min(2).optional(),
  classification_positive_class: z.string().min(1).optional(),
  classification_betas: z.array(z.number().positive().max(1000)).min(1).max(20).optional(),
  suffix: z.string().min(1).max(40).optional(),
  seed: z.int().min(0).max(2_147_483_647).optional(),
  tunery: nullFree(TrainingOptions).optional(),
});
type CreateFineTune = z.infer<typeof CreateFineTune>;

/** The flat fields win over those of `hyperparameters`, which came last in that API's life. */
export const hyperparametersOf = (body: CreateFineTune): Hyperparameters => {
  const { hyperparameters: nested = {} } = body;
  return Hyperparameters.parse({
    n_epochs: body.n_epochs ?? nested.n_epochs ?? 4,
    batch_size: body.batch_size ?? nested.batch_size ?? 'auto',
    learning_rate_multiplier:
      body.learning_rate_multiplier ?? nested.learning_rate_multiplier ?? 'auto',
  });
};

export const legacyOptionsOf = (body: CreateFineTune): LegacyOptions => ({
  prompt_loss_weight: body.prompt_loss_weight,
  classification: classificationOf(body),
});

function classificationOf(body: CreateFineTune): LegacyOptions['classification'] {
  const {
    classification_n_classes: classes,
    classification_positive_class: positive,
    classification_betas: betas,
  } = body;
  if (!body.compute_classification_metrics) {
    const stray = Object.entries({
      classification_n_classes: classes,
      classification_positive_class: positive,
      classification_betas: betas,
    }).find(([, value]) => value !== undefined);
    if (stray === undefined) return null;
    throw invalidValue(stray[0], "it needs 'compute_classification_metrics': true.");
  }
  if (body.validation_file === undefined)
    throw invalidValue(
      'compute_classification_metrics',
      "the metrics are computed on a validation file; send 'validation_file', or leave this out.",
    );
  if (classes === undefined && positive === undefined)
    throw missingParameter('classification_n_classes');
  if (positive !== undefined && classes !== undefined && classes !== 2)
    throw invalidValue(
      'classification_positive_class',
      `a positive class is for two classes, and 'classification_n_classes' is ${classes}.`,
    );
  if (betas !== undefined && positive === undefined)
    throw invalidValue('classification_betas', "it needs 'classification_positive_class'.");
  return { n_classes: classes ?? null, positive_class: positive ?? null, betas: betas ?? [] };
}
