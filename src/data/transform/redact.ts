// Replaces personal data by marks such as [EMAIL_1]. The same value gets the same mark everywhere, so
// that rows stay coherent; the map back is kept apart from the data.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CodedError } from '../../lib/coded-error.ts';
import { findPii, type PiiKind } from '../analyse/pii.ts';

export type RedactionMap = Readonly<Record<string, string>>;

export class Redactor {
  readonly #marks = new Map<string, string>();
  readonly #counts: Map<PiiKind, number>;
  readonly #kinds: ReadonlySet<PiiKind> | null;

  /** `kinds` null: all of them. `used`: the highest number of each kind that the text has already. */
  constructor(kinds: readonly PiiKind[] | null, used: ReadonlyMap<PiiKind, number>) {
    this.#kinds = kinds === null ? null : new Set(kinds);
    this.#counts = new Map(used);
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

const MARK = /\[(EMAIL|PHONE|ID_CARD|BANK_CARD|SECRET)_(\d{1,9})\]/g;

/** Finds the marks that texts have already, from an earlier redaction: theirs must stay apart. */
export function highestMarks() {
  const marks = new Map<PiiKind, number>();
  return {
    marks: marks as ReadonlyMap<PiiKind, number>,
    look: (text: string) => {
      for (const [, name, number] of text.matchAll(MARK)) {
        const kind = name!.toLowerCase() as PiiKind;
        marks.set(kind, Math.max(marks.get(kind) ?? 0, Number(number)));
      }
    },
  };
}

/** Throws CodedError where the file is no such map. */
export async function redactionMapIn(path: string): Promise<RedactionMap> {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new CodedError('bad_redaction_map', `Cannot read the redaction map ${path}: ${reason}`, {
      param: 'restore',
      cause: error,
    });
  }
}

/** Puts the values back. */
export const restore = (text: string, map: RedactionMap): string =>
  text.replaceAll(MARK, (mark) => map[mark] ?? mark);
