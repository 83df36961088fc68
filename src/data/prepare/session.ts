// One run: prints what it finds, keeps it for the report, and carries out remedies one after the other.
import type { MessageKey } from '../../messages/en.ts';
import { explain } from '../problems.ts';
import type { TableProblem } from '../read-table/table.ts';
import { Problems } from './input.ts';
import type { PrepareOptions } from './options.ts';
import { problemText } from './problem-text.ts';
import { PrepareError, type ReportFinding } from './report.ts';
import { Placeholders } from './row-steps.ts';
import type { Ui } from './ui.ts';

const SHOWN_OF_A_KIND = 10;
/** `count` says how many there are. */
const ROWS_LISTED = 1000;

export class Session {
  readonly ui: Ui;
  readonly options: PrepareOptions;
  readonly problems = new Problems();
  readonly placeholders: Placeholders;
  readonly findings: ReportFinding[] = [];
  /** What will be done without asking, in words. */
  readonly necessary: string[] = [];

  constructor(ui: Ui, options: PrepareOptions) {
    this.ui = ui;
    this.options = options;
    this.placeholders = new Placeholders(options.names);
  }

  /** The legacy form of a finding: each begins on a new line. */
  line(text: string): void {
    this.ui.print(`\n- ${text}`);
  }

  note(code: string, message: string): void {
    this.line(message);
    this.find({ code, level: 'note', message, count: 0, rows: [], fix: null, applied: false });
  }

  find(finding: ReportFinding): void {
    this.findings.push({ ...finding, rows: finding.rows.slice(0, ROWS_LISTED) });
  }

  /** Problems of the reader: shown, kept, and repaired only if somebody said so. */
  async settleProblems(): Promise<void> {
    const { say, print, askText, confirm } = this.ui;
    const { notes, repaired, aside } = this.problems;
    for (const item of notes) this.note(codeOf(item), problemText(item, say));
    if (this.problems.errors === 0) return;
    for (const group of grouped([...repaired, ...aside])) {
      for (const item of group.slice(0, SHOWN_OF_A_KIND)) this.line(problemText(item, say));
      const more = group.length - SHOWN_OF_A_KIND;
      if (more > 0) this.line(say('prepare.more', { count: more }));
    }
    const what = this.#remedies();
    let fix = this.options.fix;
    if (!fix && askText !== null) {
      print('\n');
      fix = await confirm(say('prepare.recommended', { what: what.join('; ') }));
    }
    for (const group of grouped([...repaired, ...aside])) this.find(this.#asFinding(group, fix));
    if (!fix) {
      print('\n');
      throw new PrepareError(
        'invalid_file_format',
        say('prepare.has_problems', {
          count: this.problems.errors,
          repairable: repaired.length,
          aside: aside.length,
        }),
      );
    }
    this.necessary.push(...what);
  }

  #remedies(): string[] {
    const { say } = this.ui;
    const { repaired, aside } = this.problems;
    const kinds = grouped(repaired).map((group) => explain(group[0]!, say).what);
    return [
      ...(repaired.length === 0
        ? []
        : [say('prepare.repairs', { count: repaired.length, what: kinds.join('; ') })]),
      ...(aside.length === 0 ? [] : [say('prepare.aside', { count: aside.length })]),
    ];
  }

  #asFinding(group: readonly TableProblem[], applied: boolean): ReportFinding {
    const first = group[0]!;
    const { what, fix } = explain(first, this.ui.say);
    const rows = group.map(({ file, line }) => ({ file, line }));
    return {
      code: codeOf(first),
      level: 'error',
      message: what,
      count: group.length,
      rows,
      fix,
      applied,
    };
  }
}

const codeOf = ({ key }: TableProblem) => key.replace(/^data\./, '');

function grouped(items: readonly TableProblem[]): TableProblem[][] {
  const groups = new Map<MessageKey, TableProblem[]>();
  for (const item of items) {
    const group = groups.get(item.key);
    if (group === undefined) groups.set(item.key, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
