// What prompts have in common: a beginning that could be stripped, an ending that should be there, and
// instructions that come so often that a model will not read them.
import { hashText } from './hash-table.ts';

/** Longest text that all prompts begin (and end) with. */
export class CommonEdges {
  #prefix: string | null = null;
  #suffix: string | null = null;
  rows = 0;

  add(text: string): void {
    this.rows += 1;
    this.#prefix = this.#prefix === null ? text : shared(this.#prefix, text);
    this.#suffix = this.#suffix === null ? text : sharedEnd(this.#suffix, text);
  }

  /** '' for fewer than three rows: two texts may agree by chance. */
  get prefix(): string {
    return this.rows < 3 ? '' : (this.#prefix ?? '');
  }
  get suffix(): string {
    return this.rows < 3 ? '' : (this.#suffix ?? '');
  }
}

function shared(a: string, b: string): string {
  if (b.startsWith(a)) return a;
  let i = 0;
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i += 1;
  return a.slice(0, i);
}

function sharedEnd(a: string, b: string): string {
  if (b.endsWith(a)) return a;
  let i = 0;
  while (i < a.length && i < b.length && a.at(-1 - i) === b.at(-1 - i)) i += 1;
  return a.slice(a.length - i);
}

/** Counts texts by hash, up to a bound, so that a file of only different ones costs little memory. */
export class Repeats {
  readonly #counts = new Map<number, number>();
  /** Of texts that came twice. */
  readonly #texts = new Map<number, string>();
  readonly #most: number;
  rows = 0;
  /** Rows whose text was new when the table was full. */
  uncounted = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(text: string): void {
    this.rows += 1;
    const [high, low] = hashText(text);
    const key = (high & 0x1fffff) * 2 ** 32 + low;
    const known = this.#counts.get(key);
    if (known !== undefined) {
      this.#counts.set(key, known + 1);
      // A copy: a slice would hold the whole line in memory.
      if (known === 1) this.#texts.set(key, Buffer.from(text.slice(0, SHOWN)).toString());
    } else if (this.#counts.size >= this.#most) this.uncounted += 1;
    else this.#counts.set(key, 1);
  }

  get distinct(): number {
    return this.#counts.size + this.uncounted;
  }

  /** Most frequent first; only texts that came twice. */
  top(count: number): readonly { readonly text: string; readonly rows: number }[] {
    return [...this.#texts]
      .map(([key, text]) => ({ text, rows: this.#counts.get(key)! }))
      .toSorted((a, b) => b.rows - a.rows)
      .slice(0, count);
  }
}
const SHOWN = 160;

/** The part of a prompt that is an instruction: its first line or sentence. */
export function instructionOf(prompt: string): string {
  const head = prompt.length > 400 ? prompt.slice(0, 400) : prompt;
  const end = head.search(/[\n。！？]|[.!?:](?:\s|$)/);
  return end < 0 ? head : head.slice(0, end + 1);
}

/** Which of some endings nearly all texts have, and the lines of those that lack it. */
export class Endings {
  readonly #known: readonly { readonly text: string; count: number; readonly without: number[] }[];
  #rows = 0;

  constructor(endings: readonly string[]) {
    this.#known = endings.map((text) => ({ text, count: 0, without: [] }));
  }

  add(text: string, line: number): void {
    this.#rows += 1;
    for (const ending of this.#known) {
      if (text.endsWith(ending.text)) ending.count += 1;
      else if (ending.without.length < MOST_WITHOUT) ending.without.push(line);
    }
  }

  /** Null where there is no such ending, or none lacks it. */
  get usual(): { readonly text: string; readonly without: readonly number[] } | null {
    const best = this.#known.toSorted((a, b) => b.count - a.count)[0];
    if (best === undefined || this.#rows < 10 || best.count === this.#rows) return null;
    return best.count >= this.#rows * 0.8 ? best : null;
  }
}
const MOST_WITHOUT = 10_000;
/** Longer ones first: of two that are as frequent, the first counts. */
export const PROMPT_ENDINGS = [
  '\n\n###\n\n',
  '\n###\n',
  '\n\n===\n\n',
  '\n\n---\n\n',
  ' -->',
  ' ->',
  '->',
  ' >>>',
  '\n<|>\n',
  '###',
  '\nLabel:',
  ':',
];
export const STOPS = ['###', ' END', 'END', '\n\n', '\n', '<|endoftext|>', '</s>'];

const SEPARATORS = [
  '\n\n###\n\n',
  '\n###\n',
  ' ->',
  ' -->',
  '\n\n===\n\n',
  ' >>>',
  '\n\n---\n\n',
  '\n<|>\n',
];

/** A separator that stands in none of the prompts that were seen. */
export class Separators {
  readonly #free = new Set(SEPARATORS);
  add(prompt: string): void {
    for (const separator of this.#free)
      if (prompt.includes(separator.trim())) this.#free.delete(separator);
  }
  get proposal(): string | null {
    return SEPARATORS.find((separator) => this.#free.has(separator)) ?? null;
  }
}
