// Bodies of the grader endpoints. The grader itself is read by src/graders/grader.ts, so that what is wrong
// with it is named by its path.
import { z } from 'zod';

const grader = z.looseObject({ type: z.string() });

export const ValidateGrader = z.looseObject({ grader });
export const RunGrader = z.looseObject({
  grader,
  model_sample: z.string(),
  item: z.record(z.string(), z.unknown()).default({}),
});
