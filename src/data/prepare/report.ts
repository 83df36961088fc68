// What a run found and did, for `--json` and for whoever called; and the errors that end one.
import type { Ui } from './ui.ts';

export type ReportFinding = {
  readonly code: string;
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
  readonly count: number;
  /** Where: the file and the line (or the sheet's row) of each; the first 1,000 of them. */
  readonly rows: readonly { readonly file: string; readonly line: number }[];
  readonly fix: string | null;
  readonly applied: boolean;
};

export type Output = { readonly path: string; readonly rows: number };

export type Report = {
  readonly inputs: readonly { file: string; format: string; encoding: string | null }[];
  readonly form: string;
  readonly task: string | null;
  readonly mapping: object | null;
  readonly rows: { readonly read: number; readonly written: number; readonly changed: number };
  readonly findings: readonly ReportFinding[];
  readonly outputs: readonly Output[];
  /** Where rows were set aside that could not be read. */
  readonly rejected: string | null;
  readonly separator: string | null;
  readonly stop: string | null;
  readonly command: string | null;
};

/** Ends a run with a sentence for the user; the findings so far are kept. */
export class PrepareError extends Error {
  override readonly name = 'PrepareError';
  readonly code: string;
  findings: readonly ReportFinding[] = [];
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The legacy command's way to stop. */
export const checkFailed = (ui: Ui, check: string, message: string) =>
  new PrepareError(check, ui.say('prepare.error', { check, message }));
