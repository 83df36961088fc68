// The order of the rows in an epoch: a function of seed and epoch alone, so that a resumed run and the
// peer of a comparison see the same rows in the same order.
import { randomStream, shuffled } from '../lib/random.ts';

/** Row numbers; epochs count from 0. */
export const epochOrder = (rows: number, seed: number, epoch: number): number[] =>
  shuffled(
    Array.from({ length: rows }, (_, row) => row),
    randomStream(seed, `shuffle/epoch ${epoch}`),
  );
