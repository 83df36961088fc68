// Collects what a check finds, row by row, and says it in the end: worst first.
import type { Params, Say } from '../../messages/say.ts';
import { Numbers } from '../analyse/numbers.ts';
import type { ProblemKey } from '../problems.ts';
import { CODES, type Code, type Fix, type Severity } from './codes.ts';

export type Finding = {
  readonly code: string;
  readonly severity: Severity;
  /** Rows concerned; 0 where the file as a whole is meant. */
  readonly rows: number;
  /** Their lines, at most LISTED of them. */
  readonly lines: readonly number[];
  readonly lines_omitted: number;
  readonly fix: Fix;
  readonly message: string;
  readonly advice: string;
  /** Places inside the lines, or pairs of rows, as far as a code has them. */
  readonly details: readonly Detail[];
  /** Which of the files: training or validation. */
  readonly file: 'train' | 'valid';
};
export type Detail = Readonly<Record<string, string | number | null>>;

export const LISTED = 1000;
const MOST_DETAILS = 1000;

type Found = { readonly lines: Numbers; params: Params; readonly details: Detail[] };

export class Findings {
  readonly #found = new Map<Code, Found>();

  hit(code: Code, line: number, detail?: Detail): void {
    const found = this.#of(code);
    // Rows come in order: a second hit on the same row is the one before.
    if (found.lines.length === 0 || found.lines.at(found.lines.length - 1) !== line)
      found.lines.push(line);
    if (detail !== undefined && found.details.length < MOST_DETAILS) found.details.push(detail);
  }

  /** A finding about the file, or what the sentence about its rows needs besides their number. */
  set(code: Code, params: Params, details: readonly Detail[] = []): void {
    const found = this.#of(code);
    found.params = { ...found.params, ...params };
    found.details.push(...details.slice(0, MOST_DETAILS - found.details.length));
  }

  drop(code: Code): void {
    this.#found.delete(code);
  }

  rows(code: Code): number {
    return this.#found.get(code)?.lines.length ?? 0;
  }

  codes(): readonly Code[] {
    return (Object.keys(CODES) as Code[]).filter((code) => this.#found.has(code));
  }

  details(code: Code): readonly Detail[] {
    return this.#found.get(code)?.details ?? [];
  }

  lines(code: Code): Uint32Array {
    return this.#found.get(code)?.lines.values ?? new Uint32Array();
  }

  list(speak: Say, file: Finding['file']): Finding[] {
    return (Object.keys(CODES) as Code[]).flatMap((code) => {
      const found = this.#found.get(code);
      if (found === undefined) return [];
      const lines = found.lines.values.slice().sort();
      const params = { rows: lines.length, ...found.params };
      return [
        {
          code,
          ...CODES[code],
          rows: lines.length,
          lines: [...lines.subarray(0, LISTED)],
          lines_omitted: Math.max(0, lines.length - LISTED),
          message: speak(`check.${code}`, params),
          advice: speak(`check.${code}.fix`, params),
          details: found.details,
          file,
        },
      ];
    });
  }

  #of(code: Code): Found {
    const known = this.#found.get(code);
    if (known !== undefined) return known;
    const fresh = { lines: new Numbers(16), params: {}, details: [] };
    this.#found.set(code, fresh);
    return fresh;
  }
}

/** Format errors, one finding for each kind, with line, column and path of every place. */
export class Faults {
  readonly #found = new Map<ProblemKey, { found: Found; level: 'error' | 'note' }>();
  #errorRows = 0;

  add(
    {
      key,
      level,
      line,
      path,
      params,
      file = null,
      repaired = false,
    }: {
      readonly key: ProblemKey;
      readonly level: 'error' | 'note';
      readonly line: number;
      readonly path: string;
      readonly params: Params;
      /** Of an input that is several files: the one that is meant. */
      readonly file?: string | null;
      /** The row is among the others, mended as the message says. */
      readonly repaired?: boolean;
    },
    column: number | null,
  ): void {
    let entry = this.#found.get(key);
    if (entry === undefined) {
      entry = { found: { lines: new Numbers(16), params, details: [] }, level };
      this.#found.set(key, entry);
    }
    const { lines, details } = entry.found;
    if (lines.length === 0 || lines.at(lines.length - 1) !== line) {
      lines.push(line);
      if (level === 'error' && !repaired && FIXABLE.get(key) !== 'auto') this.#errorRows += 1;
    }
    if (details.length < MOST_DETAILS)
      details.push({ ...(file && { file }), line, column, path, ...params });
  }

  /** Rows that can only be left out: without those that a fix or the reader mends. */
  get errorRows(): number {
    return this.#errorRows;
  }

  list(speak: Say, file: Finding['file']): Finding[] {
    return [...this.#found].map(([key, { found, level }]) => {
      const lines = found.lines.values.slice().sort();
      return {
        code: key.slice('data.'.length),
        severity: level === 'error' ? 'error' : 'info',
        rows: lines.length,
        lines: [...lines.subarray(0, LISTED)],
        lines_omitted: Math.max(0, lines.length - LISTED),
        // Rows with errors are left out when that is agreed to.
        fix: FIXABLE.get(key) ?? (level === 'error' && lines[0] !== 0 ? 'ask' : null),
        message: speak(key, found.params),
        advice: speak(`${key}.fix`, found.params),
        details: found.details,
        file,
      };
    });
  }
}

const FIXABLE: ReadonlyMap<ProblemKey, Fix> = new Map([
  ['data.bom', 'auto'],
  ['data.no_break_space', 'auto'],
  ['data.bom_inside', 'auto'],
]);
