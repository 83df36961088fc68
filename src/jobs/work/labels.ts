// The labels of a legacy classifier: which completions there are, and the one token that says each. A
// label of several tokens is refused, because the probability of its first token is not its own; tokens
// that all labels share, such as a space before or a line end behind, do not count.
import type { CompletionExample } from '../../data/formats/completion.ts';
import { CodedError } from '../../lib/coded-error.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { LegacyOptions, Plan } from '../protocol.ts';

type Which = 'training' | 'validation';
type Labels = NonNullable<Plan['labels']>;
type Classification = NonNullable<LegacyOptions['classification']>;

const MOST_CLASSES = 1000;

/** Gathers the labels of both files; throws CodedError for the first row that has none. */
export class LabelCollector {
  readonly #tokenizer: Tokenizer;
  readonly #contextLength: number;
  readonly #tokens = new Map<string, readonly number[]>();

  constructor(tokenizer: Tokenizer, contextLength: number) {
    this.#tokenizer = tokenizer;
    this.#contextLength = contextLength;
  }

  add(which: Which, line: number, { prompt, completion }: CompletionExample): void {
    const refuse = (reason: string): never => {
      const message = `The job failed due to an invalid ${which} file. Line ${line}: ${reason}`;
      throw new CodedError(`invalid_${which}_file`, message, { param: `${which}_file` });
    };
    const { ids, starts, ends } = this.#tokenizer.encodeWithOffsets(prompt + completion, {
      special: true,
    });
    const first = ends.findIndex((end) => end > prompt.length);
    if (first === 0 && !(this.#tokenizer.addBos && this.#tokenizer.bosId !== null))
      refuse('classification metrics need a prompt that is not empty.');
    if (starts[first]! < prompt.length)
      refuse(
        `the label ${shown(completion)} and the end of the prompt are one token to this model, so the label has no probability of its own. End the prompt with a separator such as "\\n\\n###\\n\\n" and begin the label with a space.`,
      );
    if (ids.length + 1 > this.#contextLength)
      refuse(`the row is too long for the training context, which cuts its label off.`);
    const label = [...ids.subarray(first)];
    const known = this.#tokens.get(completion);
    if (known !== undefined && known.join() !== label.join())
      refuse(
        `the label ${shown(completion)} is written in other tokens here than in earlier rows. End all prompts with the same separator.`,
      );
    this.#tokens.set(completion, label);
    if (this.#tokens.size > MOST_CLASSES)
      refuse(
        `there are more than ${MOST_CLASSES} different completions, so they are no classes. Leave out compute_classification_metrics.`,
      );
  }

  labels({ n_classes, positive_class }: Classification): Labels {
    const refuse = (param: string, message: string): never => {
      throw new CodedError(`invalid_${param}`, message, { param });
    };
    const texts = [...this.#tokens.keys()];
    const listed = `${texts.slice(0, 10).map(shown).join(', ')}${texts.length > 10 ? ' …' : ''}`;
    const expected = n_classes ?? 2;
    if (texts.length !== expected)
      refuse(
        'classification_n_classes',
        `The files have ${texts.length} class(es), but ${n_classes === null ? 'a positive class is for two classes' : `classification_n_classes is ${n_classes}`}. The completions are: ${listed}.`,
      );
    if (positive_class !== null && !this.#tokens.has(positive_class))
      refuse(
        'classification_positive_class',
        `classification_positive_class is ${shown(positive_class)}, but the completions are: ${listed}. It must be one of them, with the space it begins with.`,
      );
    const all = [...this.#tokens.values()];
    const offset = shared(all, (label, i) => label[i]);
    const behind = shared(
      all.map((label) => label.slice(offset)),
      (label, i) => label.at(-1 - i),
    );
    const long = texts.filter((_, i) => all[i]!.length - offset - behind !== 1);
    if (long.length > 0)
      refuse(
        'compute_classification_metrics',
        `Classification metrics need labels that are one token each to the base model, and these are more: ${long.slice(0, 10).map(shown).join(', ')}. Use short labels such as " 0" and " 1", or leave out compute_classification_metrics.`,
      );
    const classes = texts.map((label, i) => ({ label, token: all[i]![offset]! }));
    return { offset, classes };
  }
}

/** How many tokens all labels have in common on one side, leaving each at least one. */
function shared(
  labels: readonly (readonly number[])[],
  at: (label: readonly number[], i: number) => number | undefined,
): number {
  const shortest = Math.min(...labels.map(({ length }) => length));
  let count = 0;
  while (
    count < shortest - 1 &&
    labels.every((label) => at(label, count) === at(labels[0]!, count))
  )
    count += 1;
  return count;
}

const shown = (text: string) => JSON.stringify(text);
