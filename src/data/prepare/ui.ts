// The person in front of a run, or the flag that stands for one.
import type { Say } from '../../messages/say.ts';

export type Ui = {
  readonly say: Say;
  readonly print: (text: string) => void;
  /** Prints the question and gives the answer; with -q it prints and gives Y. */
  readonly confirm: (question: string) => Promise<boolean>;
  /** Null when nobody answers (-q). */
  readonly askText: ((question: string) => Promise<string>) | null;
};
