// Which columns become the prompt and the completion: by their names, by templates, or as a guess that
// a person confirms. Never decides alone where names do not say it.
import { readFile } from 'node:fs/promises';
import { isObject, nameOf } from '../formats/chat.ts';

/** A column as it is, or a text with {columns} in it. */
export type PartSource = { readonly column: string } | { readonly template: string };
export type Mapping = { readonly prompt: PartSource | null; readonly completion: PartSource };

export type Guess = {
  readonly prompt: string | null;
  readonly completion: string | null;
  /** The names leave no doubt. */
  readonly sure: boolean;
};

// English and Chinese, most telling first.
const PROMPT_NAMES = [
  'prompt',
  'question',
  'questions',
  'query',
  'ask',
  'instruction',
  'input',
  'source',
  'text',
  'sentence',
  'content',
  'review',
  'body',
  'title',
  'user',
  '问题',
  '提问',
  '问',
  '指令',
  '输入',
  '提示',
  '提示词',
  '文本',
  '内容',
  '咨询者',
  '题目',
];
const COMPLETION_NAMES = [
  'completion',
  'answer',
  'answers',
  'response',
  'reply',
  'output',
  'target',
  'label',
  'labels',
  'class',
  'category',
  'intent',
  'sentiment',
  'summary',
  'assistant',
  '答案',
  '回答',
  '答',
  '答复',
  '回复',
  '输出',
  '标签',
  '类别',
  '分类',
  '情感',
];

const TELLING = new Set([
  'prompt',
  'question',
  'questions',
  'query',
  'instruction',
  '问题',
  '提问',
  '问',
  '指令',
  'completion',
  'answer',
  'answers',
  'response',
  'reply',
  'output',
  '答案',
  '回答',
  '答',
  '答复',
  '回复',
]);

export function guessColumns(
  columns: readonly string[],
  rows: readonly Readonly<Record<string, unknown>>[],
): Guess {
  const called = (names: readonly string[]) =>
    names.flatMap((name) => columns.filter((column) => column.trim().toLowerCase() === name));
  const [prompts, completions] = [called(PROMPT_NAMES), called(COMPLETION_NAMES)];
  const [prompt = null] = prompts;
  const [completion = null] = completions;
  if (prompt !== null && completion !== null) {
    // In a wide table `text` and `summary` may be anything; `question` and `answer` are not.
    const plain = (name: string) => TELLING.has(name.trim().toLowerCase());
    const alone = prompts.length === 1 && completions.length === 1;
    const sure = alone && (columns.length <= 3 || (plain(prompt) && plain(completion)));
    return { prompt, completion, sure };
  }
  const [a, b] = columns;
  if (columns.length !== 2 || a === undefined || b === undefined) {
    const rest = columns.filter((column) => column !== completion);
    return { prompt: prompt ?? longest(rest, rows), completion, sure: false };
  }
  if (prompt !== null) return { prompt, completion: prompt === a ? b : a, sure: false };
  if (completion !== null) return { prompt: completion === a ? b : a, completion, sure: false };
  // What repeats is an answer rather than a question.
  const distinct = (column: string) => new Set(rows.map((row) => String(row[column]))).size;
  return distinct(a) >= distinct(b)
    ? { prompt: a, completion: b, sure: false }
    : { prompt: b, completion: a, sure: false };
}

/** Of several columns the one with the most text is the likeliest question. */
function longest(
  columns: readonly string[],
  rows: readonly Readonly<Record<string, unknown>>[],
): string | null {
  const length = (column: string) =>
    rows.reduce((sum, row) => sum + String(row[column] ?? '').length, 0);
  return columns.reduce<string | null>(
    (best, column) => (best === null || length(column) > length(best) ? column : best),
    null,
  );
}

export class MappingError extends Error {
  override readonly name = 'MappingError';
}

/** Columns that a source names and the table lacks. */
export function unknownColumns(source: PartSource, columns: readonly string[]): string[] {
  const named = 'column' in source ? [source.column] : columnsIn(source.template);
  return named.filter((name) => !columns.includes(name));
}

const columnsIn = (template: string) =>
  [...template.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name!);

/** Throws MappingError on a value that is no text. */
export function partOf(source: PartSource, values: Readonly<Record<string, unknown>>): string {
  if ('column' in source) return textOf(source.column, values[source.column]);
  return source.template.replace(/\{([^{}]+)\}/g, (_, name: string) => textOf(name, values[name]));
}

/** As pandas writes them: what the legacy command's users have in their prepared files. */
export function textOf(column: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  // A list with a single text in it: Huatuo's questions and answers.
  if (Array.isArray(value) && value.length === 1) return textOf(column, value[0]);
  throw new MappingError(nameOf(value), { cause: column });
}

/** Escapes as a shell leaves them in an argument. */
export const unescapeTemplate = (text: string) =>
  text.replace(/\\([nt\\])/g, (_, c: string) => (c === 'n' ? '\n' : c === 't' ? '\t' : '\\'));

export async function readMapping(path: string): Promise<Mapping> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!isObject(value)) throw new MappingError(nameOf(value));
  const source = (key: string): PartSource => {
    const part = value[key];
    if (typeof part === 'string') return { template: part };
    if (isObject(part) && typeof part['column'] === 'string') return { column: part['column'] };
    if (isObject(part) && typeof part['template'] === 'string')
      return { template: part['template'] };
    throw new MappingError(key);
  };
  return { prompt: source('prompt'), completion: source('completion') };
}

export const mappingText = ({ prompt, completion }: Mapping) =>
  `${JSON.stringify({ prompt, completion }, null, 2)}\n`;

export const shownSource = (source: PartSource) =>
  'column' in source ? `"${source.column}"` : `template ${JSON.stringify(source.template)}`;
