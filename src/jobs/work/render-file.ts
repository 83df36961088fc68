// One JSONL file → one rows file: checks every line, renders every sound example, counts tokens, and
// remembers what had to be cut. Holds one example at a time.
import type { Problem } from '../../data/problems.ts';
import { readExamples, type SupervisedExample } from '../../data/read-examples.ts';
import { renderRow, type Voice } from '../../data/render.ts';
import { targetTokens } from '../../data/row.ts';
import { writeRows } from '../../data/rows-file.ts';
import { TemplateError } from '../../tokenizer/template.ts';
import type { Plan } from '../protocol.ts';

export type RenderedFile = {
  readonly format: Plan['format'] | null;
  /** Sound ones in the file. */
  readonly examples: number;
  /** Those that were written: they have something to learn from. The figures below are theirs. */
  readonly rows: number;
  readonly tokens: number;
  readonly targets: number;
  readonly longest: number;
  readonly cut: readonly {
    readonly line: number;
    readonly tokens: number;
    readonly lost: number;
  }[];
  /** Lines of rows that were left out, because nothing can be learned from them: all weights 0, or all
   *  targets cut off. A step on such rows would have no loss. */
  readonly withoutTargets: readonly number[];
  /** Keys of the format that rows use and the model's template does not print. */
  readonly unused: readonly string[];
  readonly notes: readonly Problem[];
  /** Errors: the first of them, and how many there are. Where there are any, no file is written. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
};

const KEPT_PROBLEMS = 5;

/** Reads to the end whatever it finds; `output` appears only if every row is sound. */
export async function renderFile(
  voice: Voice,
  source: string,
  output: string,
  contextLength: number,
  look: (example: SupervisedExample) => void = () => {},
): Promise<RenderedFile> {
  const writer = await writeRows(output);
  let format: Plan['format'] | null = null;
  let otherMethod = false;
  let [examples, rows, tokens, targets, longest, problemCount] = [0, 0, 0, 0, 0, 0];
  const cut: { line: number; tokens: number; lost: number }[] = [];
  const withoutTargets: number[] = [];
  const unused = new Set<string>();
  const notes: Problem[] = [];
  const problems: Problem[] = [];
  const report = (problem: Problem) => {
    if (problem.level === 'note') return notes.push(problem);
    problemCount += 1;
    return problems.length < KEPT_PROBLEMS ? problems.push(problem) : undefined;
  };
  let finished = false;
  try {
    for await (const item of readExamples(source)) {
      if (item.kind === 'problem') {
        report(item);
        continue;
      }
      if (item.format === 'preference' || item.format === 'reinforcement') {
        // Said once: a file has one format.
        if (!otherMethod) report(problemOf(item, `data.${item.format}`));
        otherMethod = true;
        continue;
      }
      format ??= item.format;
      const rendered = renderOr(report, () => renderRow(voice, item, contextLength), item);
      if (rendered === null) continue;
      look(item);
      for (const key of unusedKeys(voice, item)) unused.add(key);
      const { row } = rendered;
      const rowTargets = targetTokens(row);
      examples += 1;
      if (rendered.lost > 0)
        cut.push({ line: item.line, tokens: rendered.tokens, lost: rendered.lost });
      if (rowTargets === 0) {
        withoutTargets.push(item.line);
        continue;
      }
      rows += 1;
      tokens += row.ids.length;
      targets += rowTargets;
      longest = Math.max(longest, row.ids.length);
      await writer.write(row);
    }
    if (problemCount === 0) {
      await writer.finish();
      finished = true;
    }
  } finally {
    if (!finished) await writer.discard();
  }
  return {
    format,
    examples,
    rows,
    tokens,
    targets,
    longest,
    cut,
    withoutTargets,
    unused: [...unused].toSorted(),
    notes,
    problems,
    problemCount,
  };
}

/** A name is printed where the template's text mentions the key; no template knows the other. */
function* unusedKeys({ chatTemplate }: Voice, item: SupervisedExample): Generator<string> {
  if (item.format !== 'chat') return;
  if (item.value.parallel_tool_calls !== undefined) yield 'parallel_tool_calls';
  const printsNames = /\.name\b|\[['"]name['"]\]/.test(chatTemplate ?? '');
  if (!printsNames && item.value.messages.some((message) => 'name' in message)) yield 'name';
}

/** What the model's template refuses is one more problem of the file. */
function renderOr<T>(
  report: (problem: Problem) => void,
  render: () => T,
  place: { line: number; example: number },
): T | null {
  try {
    return render();
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    report(problemOf(place, 'data.tokens', { reason: error.message }));
    return null;
  }
}

const problemOf = (
  { line, example }: { line: number; example: number },
  key: Problem['key'],
  params: Problem['params'] = {},
): Problem => ({ kind: 'problem', level: 'error', line, example, path: '', key, params });
