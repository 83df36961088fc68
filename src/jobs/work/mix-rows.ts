// Mixes rows of a general set into the training rows at a ratio, so that a model does not forget what it
// could do before (ChatHome found 1:5 best, arXiv:2307.15290). The draw is a function of the seed.
import { join } from 'node:path';
import { type Row, targetTokens } from '../../data/row.ts';
import { readRows, writeRows } from '../../data/rows-file.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { randomStream, shuffled } from '../../lib/random.ts';
import { say } from '../../messages/say.ts';
import type { RenderedFile } from './render-file.ts';

const GENERAL_ROWS_FILE = 'rows-general.bin';
export const generalRowsIn = (directory: string) => join(directory, GENERAL_ROWS_FILE);

/** Adds the drawn rows to the rows file, and returns what the file holds then. */
export async function mixRows(
  directory: string,
  trainRowsFile: string,
  own: RenderedFile,
  general: RenderedFile,
  ratio: string,
  seed: number,
): Promise<RenderedFile> {
  const wanted = generalRows(own.rows, ratio);
  if (wanted > general.rows)
    throw new CodedError(
      'too_few_general_rows',
      say('failure.too_few_general_rows', { ratio, wanted, own: own.rows, there: general.rows }),
      { param: 'tunery.general_ratio' },
    );
  const ownRows = await readRows(join(directory, trainRowsFile));
  const all = await readRows(generalRowsIn(directory));
  const drawn = shuffled(all, randomStream(seed, 'mix')).slice(0, wanted);
  const writer = await writeRows(join(directory, trainRowsFile));
  try {
    for (const row of [...ownRows, ...drawn]) await writer.write(row);
    await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  const sum = (of: (row: Row) => number) => drawn.reduce((total, row) => total + of(row), 0);
  return {
    ...own,
    rows: own.rows + drawn.length,
    tokens: own.tokens + sum(({ ids }) => ids.length),
    targets: own.targets + sum(targetTokens),
    // Not as arguments of Math.max: a hundred thousand of them are more than the stack holds.
    longest: drawn.reduce((most, { ids }) => Math.max(most, ids.length), own.longest),
  };
}

/** `ratio` is own:general, such as 1:5. */
function generalRows(own: number, ratio: string): number {
  const [a, b] = ratio.split(':').map(Number) as [number, number];
  return Math.round((own * b) / a);
}
