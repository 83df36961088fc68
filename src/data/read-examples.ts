// A JSONL file as a stream of examples and problems, in the order of its lines and in constant memory.
// Never stops at the first problem and never throws for what the file holds.

import type { Params } from '../messages/say.ts';
import { type ChatExample, isObject, nameOf } from './formats/chat.ts';
import type { CompletionExample } from './formats/completion.ts';
import { type Format, findingsOf, formatOf } from './formats/format.ts';
import type { PreferenceExample } from './formats/preference.ts';
import { type Line, MAX_LINE_BYTES, readLines } from './lines.ts';
import { type Finding, finding, type Problem, type ProblemKey } from './problems.ts';
import { depthBeyond } from './read-table/json-values.ts';
import { DEFAULT_LIMITS } from './read-table/table.ts';

export type Example = {
  readonly kind: 'example';
  readonly line: number;
  readonly example: number;
} & (
  | { readonly format: 'chat'; readonly value: ChatExample }
  | { readonly format: 'completion'; readonly value: CompletionExample }
  | { readonly format: 'preference'; readonly value: PreferenceExample }
  | { readonly format: 'reinforcement'; readonly value: Json }
);
/** Those that say what to answer, and not only which of two answers is better or how to grade one. */
export type SupervisedExample = Extract<Example, { readonly format: 'chat' | 'completion' }>;

export async function* readExamples(path: string): AsyncGenerator<Example | Problem> {
  let format: Format | null = null;
  let examples = 0;
  let judged = false;
  for await (const line of readLines(path)) {
    if (line.kind === 'text' && line.text.trim() === '') continue;
    if (line.kind === 'bom') {
      yield { ...wholeFile('data.bom'), level: 'note' };
      continue;
    }
    judged = true;
    if (line.kind === 'utf16') return yield wholeFile('data.utf16');
    if (line.kind === 'packed') return yield wholeFile('data.packed', { format: line.format });
    examples += 1;
    const parsed = parse(line);
    if ('key' in parsed) {
      yield problem(line.line, examples, parsed);
      continue;
    }
    const found = formatOf(parsed.value);
    if (typeof found !== 'string') {
      yield problem(line.line, examples, found);
      continue;
    }
    format ??= found;
    if (found !== format) {
      const params = { first: format, got: found };
      yield problem(line.line, examples, finding('', 'data.mixed', params));
      continue;
    }
    const findings = [...findingsOf(found, parsed.value)];
    for (const item of findings) yield problem(line.line, examples, item);
    if (findings.length === 0) yield asExample(line.line, examples, found, parsed.value);
  }
  if (!judged) yield wholeFile('data.empty_file');
}

type Json = Readonly<Record<string, unknown>>;

/** The only place where checked JSON gets its type: there were no findings. */
const asExample = (line: number, example: number, format: Format, value: Json) =>
  ({ kind: 'example', line, example, format, value }) as unknown as Example;

const problem = (line: number, example: number, item: Finding): Problem => ({
  kind: 'problem',
  level: 'error',
  line,
  example,
  ...item,
});
const wholeFile = (key: ProblemKey, params: Params = {}) => problem(0, 0, finding('', key, params));

function parse(line: Extract<Line, { line: number }>): Finding | { value: Json } {
  if (line.kind === 'too-long')
    return finding('', 'data.line_too_long', { bytes: line.bytes, limit: MAX_LINE_BYTES });
  if (line.kind === 'not-utf8') return finding('', 'data.not_utf8');
  let value: unknown;
  try {
    value = JSON.parse(line.text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (line.text.includes('\u00a0') && isJson(line.text.replaceAll('\u00a0', ' ')))
      return finding('', 'data.no_break_space');
    if (/^\s*\{/.test(line.text) && endsEarly(line.text, reason))
      return finding('', 'data.truncated');
    if (/^\s*\[/.test(line.text)) return finding('', 'data.array'); // one that spans lines
    return finding('', 'data.not_json', { reason: reason.replace(/ \(line 1 column \d+\)$/, '') });
  }
  if (Array.isArray(value)) return finding('', 'data.array');
  if (!isObject(value))
    return finding('', 'data.wrong_type', { expected: 'object', got: nameOf(value) });
  const { depth: limit } = DEFAULT_LIMITS;
  const depth = depthBeyond(line.text, limit);
  return depth === null ? { value } : finding('', 'data.too_deep', { depth, limit });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** V8 either says so or complains about the place behind the last character. */
function endsEarly(text: string, reason: string): boolean {
  const position = /at position (\d+)/.exec(reason)?.[1];
  if (position === undefined) return reason.includes('Unexpected end');
  return Number(position) >= text.trimEnd().length;
}
