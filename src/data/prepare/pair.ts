// A prompt with its completion, and where it came from.
export type Pair = {
  readonly prompt: string;
  readonly completion: string;
  readonly file: string;
  readonly line: number;
  /** Number of the record among all that were read, from 0: what the legacy command calls a row. */
  readonly index: number;
};

export type Task = 'open-ended generation' | 'classification' | 'conditional generation';

/** At least three rows for each distinct completion make a classification. */
export function taskOf(pairs: readonly Pair[]): Task {
  if (pairs.every(({ prompt }) => prompt === '')) return 'open-ended generation';
  const completions = new Set(pairs.map(({ completion }) => completion));
  return completions.size < pairs.length / 3 ? 'classification' : 'conditional generation';
}

export const prompts = (pairs: readonly Pair[]) => pairs.map(({ prompt }) => prompt);
export const completions = (pairs: readonly Pair[]) => pairs.map(({ completion }) => completion);
