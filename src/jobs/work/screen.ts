// Judges the rows of a job's files by the bundled classifier, for jobs that ask for it.
import type { SupervisedExample } from '../../data/read-examples.ts';
import { say } from '../../messages/say.ts';
import { flaggedIn } from '../../moderate/categories.ts';
import { loadClassifier } from '../../moderate/classify.ts';

type Flagged = { readonly line: number; readonly categories: readonly string[] };

export class Screening {
  #flagged: Flagged[] = [];

  /** Looks at what is said in the row, whoever says it. */
  readonly look = (example: SupervisedExample): void => {
    const { classify } = loadClassifier();
    const found = new Set(textsOf(example).flatMap((text) => flaggedIn(classify(text))));
    if (found.size > 0) this.#flagged.push({ line: example.line, categories: [...found].sort() });
  };

  /** What was found since the last call, in a sentence; null: nothing. */
  take(which: string, list: (items: readonly string[]) => string): string | null {
    const flagged = this.#flagged;
    this.#flagged = [];
    if (flagged.length === 0) return null;
    const lines = flagged.map(({ line, categories }) =>
      say('part.line_what', { line, what: categories.join(', ') }),
    );
    return say('event.flagged', { rows: flagged.length, which, list: list(lines) });
  }
}

function textsOf(example: SupervisedExample): string[] {
  if (example.format === 'completion') return [example.value.prompt, example.value.completion];
  return example.value.messages.flatMap(({ content }) =>
    typeof content === 'string' ? [content] : partsOf(content),
  );
}

/** Of a message in parts, those that are text. */
function partsOf(content: unknown): string[] {
  if (!Array.isArray(content)) return [];
  return content.flatMap((part: { text?: unknown } | null) =>
    typeof part?.text === 'string' ? [part.text] : [],
  );
}
