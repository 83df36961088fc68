// The structural check of a training file: every problem in line order, and what the file holds.
import { say } from '../messages/say.ts';
import type { Format } from './formats/format.ts';
import { describe, type Problem } from './problems.ts';
import { readExamples } from './read-examples.ts';

/** OpenAI's minimum for fine-tuning jobs. */
export const MIN_EXAMPLES = 10;

export const tooFewExamples = (count: number) =>
  say('failure.n_examples', { count, least: MIN_EXAMPLES });

export type Checked = { readonly examples: number; readonly format: Format | null };

/** Streams problems (errors and notes); returns the count of sound examples and their format. */
export async function* checkFile(path: string): AsyncGenerator<Problem, Checked> {
  let examples = 0;
  let format: Format | null = null;
  for await (const item of readExamples(path)) {
    if (item.kind === 'problem') yield item;
    else {
      examples += 1;
      format ??= item.format;
    }
  }
  return { examples, format };
}

/** The API's sentence for a file with errors: the first few, and how many there are in all. */
export function invalidFileMessage(first: readonly Problem[], total: number): string {
  const rest = total > first.length ? ` (${total} problems in all)` : '';
  return `Invalid file format. ${first.map(describe).join(' ')}${rest}`;
}
