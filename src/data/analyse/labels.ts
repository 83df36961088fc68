// Labels of a classification set: how many rows each has, which are probably misspelt, and how they
// begin for the model.
import { asLatin, withoutControl } from './text-patterns.ts';

export type LabelGrade = 'too few' | 'decent' | 'good' | 'great';
export type LabelReport = {
  readonly label: string;
  readonly rows: number;
  readonly share: number;
  readonly grade: LabelGrade;
  readonly tokens: number | null;
};

/** A file is a classification set when its answers are few, short, and each comes again and again. */
export const MOST_LABELS = 200;
export const LONGEST_LABEL = 60;
const MOST_ODD = 3;
const ODD_SHARE = 0.02;

export class Labels {
  /** Answer → its rows; null once there are too many different ones. */
  #lines: Map<string, number[]> | null = new Map();
  #rows = 0;
  /** Rows whose answer is too long for a label: a few are damage, more are texts. */
  odd: number[] = [];

  add(answer: string, line: number): void {
    this.#rows += 1;
    if (this.#lines === null) return;
    const known = this.#lines.get(answer);
    if (known !== undefined) known.push(line);
    else if (answer.length <= LONGEST_LABEL && this.#lines.size < MOST_LABELS)
      this.#lines.set(answer, [line]);
    else {
      this.odd.push(line);
      if (this.odd.length > Math.max(MOST_ODD, this.#rows * ODD_SHARE)) this.#lines = null;
    }
  }

  /** Null: these answers are no labels. */
  get lines(): ReadonlyMap<string, readonly number[]> | null {
    const labels = this.#lines;
    if (labels === null || labels.size < 2 || this.#rows < 8) return null;
    return this.#rows / labels.size >= 3 ? labels : null;
  }

  /** `tokensOf` null: nobody counts. */
  report(tokensOf: ((label: string) => number) | null): readonly LabelReport[] {
    return [...(this.lines ?? [])]
      .map(([label, lines]) => ({
        label,
        rows: lines.length,
        share: lines.length / this.#rows,
        grade: gradeOf(lines.length),
        tokens: tokensOf?.(label) ?? null,
      }))
      .toSorted((a, b) => b.rows - a.rows);
  }
}

/** OpenAI's table: hundreds decent, thousands good, tens of thousands great. */
function gradeOf(rows: number): LabelGrade {
  if (rows >= 10_000) return 'great';
  if (rows >= 1000) return 'good';
  return rows >= 100 ? 'decent' : 'too few';
}

export type Typo = { readonly label: string; readonly meant: string };

/** A rare label that differs from a common one in case, edges or one slip of the finger. */
export function labelTypos(labels: ReadonlyMap<string, readonly number[]>): readonly Typo[] {
  const sorted = [...labels].toSorted((a, b) => b[1].length - a[1].length);
  const typos: Typo[] = [];
  for (const [i, [label, { length: rows }]] of sorted.entries()) {
    const meant = sorted.slice(0, i).find(([other, { length: many }]) => {
      if (typos.some((typo) => typo.label === other)) return false;
      if (plain(other) === plain(label)) return true;
      return many >= 5 * rows && label.trim().length >= 4 && isSlip(plain(other), plain(label));
    });
    if (meant !== undefined) typos.push({ label, meant: meant[0] });
  }
  return typos;
}

/** Letters that look alike, full-width ones and invisible marks make no difference either. */
const plain = (label: string) =>
  asLatin(withoutControl(label.normalize('NFKC')), true)
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, ' ');

/** Labels that come once where others come ten times: a shifted column, or a wrong one. */
export function rareLabels(labels: ReadonlyMap<string, readonly number[]>): readonly string[] {
  const counts = [...labels.values()].map(({ length }) => length).toSorted((a, b) => a - b);
  const median = counts[Math.floor(counts.length / 2)] ?? 0;
  return [...labels].filter(([, { length }]) => length * 10 <= median).map(([label]) => label);
}

/** Damerau–Levenshtein distance 1; digits are never slips (class 1, class 2). */
function isSlip(a: string, b: string): boolean {
  if (a.replaceAll(/\D/g, '') !== b.replaceAll(/\D/g, '') || Math.abs(a.length - b.length) > 1)
    return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start += 1;
  const rest = (text: string, skip: number) => text.slice(start + skip);
  if (a.length === b.length)
    return (
      rest(a, 1) === rest(b, 1) ||
      (a[start] === b[start + 1] && a[start + 1] === b[start] && rest(a, 2) === rest(b, 2))
    );
  return a.length > b.length ? rest(a, 1) === rest(b, 0) : rest(a, 0) === rest(b, 1);
}
