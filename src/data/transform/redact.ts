// Replaces personal data by marks such as [EMAIL_1]. The same value gets the same mark everywhere, so
// that rows stay coherent; the map back is kept apart from the data.
import { findPii, type PiiKind } from '../analyse/pii.ts';

export type RedactionMap = Readonly<Record<string, string>>;

export class Redactor {
  readonly #marks = new Map<string, string>();
  readonly #counts = new Map<PiiKind, number>();
  readonly #kinds: ReadonlySet<PiiKind> | null;

  /** `kinds` null: all of them. */
  constructor(kinds: readonly PiiKind[] | null = null) {
    this.#kinds = kinds === null ? null : new Set(kinds);
  }

  redact(text: string): string {
    let out = '';
    let at = 0;
    for (const { kind, start, end } of findPii(text)) {
      if (this.#kinds !== null && !this.#kinds.has(kind)) continue;
      out += text.slice(at, start) + this.#mark(kind, text.slice(start, end));
      at = end;
    }
    return at === 0 ? text : out + text.slice(at);
  }

  /** Mark → what it stands for. */
  get map(): RedactionMap {
    return Object.fromEntries([...this.#marks].map(([value, mark]) => [mark, value]));
  }

  #mark(kind: PiiKind, value: string): string {
    const known = this.#marks.get(value);
    if (known !== undefined) return known;
    const number = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, number);
    const mark = `[${kind.toUpperCase()}_${number}]`;
    this.#marks.set(value, mark);
    return mark;
  }
}

/** Puts the values back. */
export const restore = (text: string, map: RedactionMap): string =>
  text.replaceAll(/\[[A-Z_]+_\d+\]/g, (mark) => map[mark] ?? mark);
