// 08: the learning rate of every update, as transformers' get_scheduler gives it.
import { expect, test } from 'vitest';
import { type ScheduleName, schedule } from '../../src/optim/schedule.ts';
import { expectRelative, has, readOracle } from './oracle.ts';

type Schedule = {
  name: string;
  lr: number;
  warmup_steps: number;
  total_steps: number;
  lrs: number[];
  kwargs?: { min_lr?: number; min_lr_rate?: number };
};
const OURS: Readonly<Record<string, ScheduleName>> = {
  constant: 'constant',
  constant_with_warmup: 'constant',
  linear: 'linear',
  cosine: 'cosine',
  cosine_with_min_lr: 'cosine',
};

const cases = has('08_schedules.json') ? readOracle<Schedule[]>('08_schedules.json') : [];
for (const { name, lr, warmup_steps, total_steps, lrs, kwargs = {} } of cases) {
  const options = JSON.stringify(kwargs);
  test(`08 ${name}, ${warmup_steps} of ${total_steps} updates warm-up, ${options}`, () => {
    expect(OURS).toHaveProperty(name);
    const min = kwargs.min_lr ?? (kwargs.min_lr_rate ?? 0) * lr;
    const rate = schedule({
      name: OURS[name]!,
      peak: lr,
      warmup: warmup_steps,
      total: total_steps,
      min,
    });
    for (const [update, expected] of lrs.entries())
      expectRelative(rate(update), expected, 1e-9, `update ${update}`);
  });
}
if (!has('08_schedules.json')) test.skip('08: 08_schedules.json is not in the folder', () => {});
