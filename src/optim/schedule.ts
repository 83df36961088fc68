// The learning rate of every update: warm-up, then constant, linear or cosine. Knows no optimizer.
// Formulas and their order of operations follow transformers' `get_scheduler` (optimization.py), so
// that a trajectory computed there can be repeated here.

export type ScheduleName = 'constant' | 'linear' | 'cosine';
export type ScheduleOptions = {
  readonly name: ScheduleName;
  /** The rate after warm-up. */
  readonly peak: number;
  /** Updates; the first of them has rate 0. */
  readonly warmup: number;
  /** Updates of the whole run. */
  readonly total: number;
  /** Where the cosine ends; transformers' `cosine_with_min_lr`. */
  readonly min?: number;
};

/** The rate as a function of the number of updates already done. */
export function schedule({ name, peak, warmup, total, min = 0 }: ScheduleOptions) {
  if (min !== 0 && name !== 'cosine')
    throw new RangeError(`a minimum rate belongs to the cosine schedule, not to '${name}'`);
  const decay = { constant: () => 1, linear, cosine: cosineDownTo(min / peak) }[name];
  return (update: number): number =>
    update < warmup
      ? peak * (update / Math.max(1, warmup))
      : peak * decay((update - warmup) / Math.max(1, total - warmup));
}

/** Rounded down: the first warm-up update has rate 0, which a run of a few updates cannot afford. */
export const warmupUpdates = (ratio: number, total: number) =>
  Math.min(Math.floor(ratio * total), Math.max(0, total - 1));

const linear = (progress: number) => Math.max(0, 1 - progress);

const cosineDownTo = (floor: number) => (progress: number) =>
  Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)) * (1 - floor) + floor);
