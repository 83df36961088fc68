// What the pieces of the job machinery share: made once in jobs.ts.
import { join } from 'node:path';
import type { Log } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import type { BaseModels } from './base-models.ts';
import type { Bell } from './follow.ts';
import type { Launch } from './launcher/launch.ts';

/** Log-probabilities of every token after the first, from the model as it is served. */
export type Score = (
  baseModel: string,
  ggufAdapter: string,
  ids: readonly number[],
) => Promise<number[]>;

export type Parts = {
  readonly store: Store;
  readonly bases: BaseModels;
  readonly launch: Launch;
  readonly score: Score;
  readonly bell: Bell;
  readonly log: Log;
  /** Unix seconds. */
  readonly seconds: () => number;
  readonly now: () => number;
  readonly parityThreshold: number;
  readonly trainers: number;
  /** Wait before a crashed child is started again. */
  readonly retryMs: number;
};

export const jobDirectory = (store: Store, jobId: string) => join(store.directory, 'jobs', jobId);
export const TRAINING_COPY = 'training.jsonl';
export const VALIDATION_COPY = 'validation.jsonl';
export const GENERAL_COPY = 'general.jsonl';
