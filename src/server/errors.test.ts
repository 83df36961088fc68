import { expect, test } from 'vitest';
import { Hyperparameters } from '../jobs/protocol.ts';
import { fromIssues } from './errors.ts';

test.each([
  [
    { n_epochs: 1e30 },
    "Invalid value for 'n_epochs': too big: expected number to be <=50; got 1e+30.",
  ],
  [{ n_epochs: 0 }, "Invalid value for 'n_epochs': too small: expected number to be >=1; got 0."],
  [
    { learning_rate_multiplier: Number.POSITIVE_INFINITY },
    "Invalid value for 'learning_rate_multiplier': invalid input: expected 'auto' or number; got Infinity.",
  ],
])('%j is refused with its own range and the value that came', (input, message) => {
  const { error } = Hyperparameters.safeParse(input);
  expect(fromIssues(error!.issues, input).message).toBe(message);
});
