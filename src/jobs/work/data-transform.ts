// `tunery data transform` in its child.
import { z } from 'zod';
import { Step } from '../../data/transform/steps.ts';
import { type Transformed, transformData } from '../../data/transform/transform-data.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { speaker } from '../../messages/say.ts';
import type { TransformTask } from '../data-protocol.ts';
import type { Told } from './data-process.ts';

export function transformTask(task: TransformTask, told: Told): Promise<Transformed> {
  const steps = z.array(Step).min(1).safeParse(task.steps);
  if (!steps.success)
    throw new CodedError('invalid_steps', `The steps are wrong: ${z.prettifyError(steps.error)}`, {
      param: 'steps',
    });
  const options = { ...task, say: speaker(task.language ?? 'en') };
  return transformData({ ...task, steps: steps.data }, options, (step) => {
    void told.send({ type: 'progress', stage: 'step', rows: step, file: task.path });
  });
}
