// Filter expressions such as `language == 'en' and len(answer) < 2000`: read into a tree and walked, never
// run as code.
import { languageOfText } from '../analyse/language.ts';
import { type View, viewOf } from '../analyse/view.ts';
import { readSample, ShapeError } from '../convert/read.ts';
import { shapeOf } from '../convert/shapes.ts';

/** What an expression sees of a row. */
export type Scope = { readonly value: unknown; readonly line: number };
export type Value = string | number | boolean | null | readonly Value[];
export type Expression = (scope: Scope) => Value;

export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

export const FIELDS = [
  'prompt',
  'answer',
  'system',
  'label',
  'turns',
  'language',
  'line',
  'row',
] as const;

/** Throws ExpressionError naming the place. */
export function parseExpression(source: string): Expression {
  const tokens = tokenize(source);
  let at = 0;
  const peek = () => tokens[at];
  const fail = (expected: string): never => {
    const got = peek();
    throw new ExpressionError(
      `'${source}', character ${(got?.at ?? source.length) + 1}: expected ${expected}, got ${got === undefined ? 'the end' : `'${got.text}'`}.`,
    );
  };
  const take = (...texts: string[]) => {
    const token = peek();
    if (token === undefined || token.kind === 'string' || !texts.includes(token.text.toLowerCase()))
      return null;
    at += 1;
    return token.text.toLowerCase();
  };
  const need = (text: string) => take(text) ?? fail(`'${text}'`);

  const either = (): Expression => {
    let left = both();
    while (take('or', '||') !== null) {
      const [a, b] = [left, both()];
      left = (scope) => isTrue(a(scope)) || isTrue(b(scope));
    }
    return left;
  };
  const both = (): Expression => {
    let left = negated();
    while (take('and', '&&') !== null) {
      const [a, b] = [left, negated()];
      left = (scope) => isTrue(a(scope)) && isTrue(b(scope));
    }
    return left;
  };
  const negated = (): Expression => {
    if (take('not', '!') === null) return compared();
    const inner = negated();
    return (scope) => !isTrue(inner(scope));
  };
  const compared = (): Expression => {
    const left = operand();
    const operator = take('==', '=', '!=', '<=', '>=', '<', '>', 'contains', 'in', 'matches');
    if (operator === null) return left;
    const right = operand();
    return (scope) => compare(operator, left(scope), right(scope));
  };
  const operand = (): Expression => {
    const token = peek();
    if (token === undefined) return fail('a value');
    at += 1;
    if (token.kind === 'string') return () => token.text;
    if (token.kind === 'number') return () => Number(token.text);
    if (token.text === '(') return list();
    if (token.kind !== 'name') {
      at -= 1;
      return fail('a value');
    }
    const name = token.text;
    if (name === 'true' || name === 'false') return () => name === 'true';
    if (name === 'null') return () => null;
    if (take('(') !== null) {
      const argument = either();
      need(')');
      return call(name, argument);
    }
    const path = name.split('.');
    if (!(FIELDS as readonly string[]).includes(path[0]!)) {
      at -= 1;
      return fail(`one of ${FIELDS.join(', ')} (a key of the row is row.KEY)`);
    }
    return (scope) => field(scope, path);
  };
  const list = (): Expression => {
    const items = [either()];
    while (take(',') !== null) items.push(either());
    need(')');
    return items.length === 1 ? items[0]! : (scope) => items.map((item) => item(scope));
  };
  const call = (name: string, argument: Expression): Expression => {
    const apply = FUNCTIONS[name.toLowerCase()];
    if (apply === undefined)
      throw new ExpressionError(
        `There is no function '${name}'; there are ${Object.keys(FUNCTIONS).join(', ')}.`,
      );
    return (scope) => apply(argument(scope));
  };

  const expression = either();
  if (peek() !== undefined) fail("'and', 'or' or the end");
  return expression;
}

type Token = {
  readonly kind: 'string' | 'number' | 'name' | 'sign';
  readonly text: string;
  readonly at: number;
};

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const pattern =
    /\s+|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<number>-?\d+(?:\.\d+)?)|(?<name>[\p{L}_][\p{L}\p{N}_.-]*)|(?<sign>==|!=|<=|>=|&&|\|\||[<>=!(),])/uy;
  for (let at = 0; at < source.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(source);
    if (match === null)
      throw new ExpressionError(
        `'${source}', character ${at + 1}: '${source[at]}' means nothing here.`,
      );
    const { string, number, name, sign } = match.groups ?? {};
    if (string !== undefined)
      tokens.push({ kind: 'string', text: string.slice(1, -1).replaceAll(/\\(.)/g, '$1'), at });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, at });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, at });
  }
  return tokens;
}

export const isTrue = (value: Value) =>
  value !== null && value !== false && value !== '' && value !== 0;

function compare(operator: string, a: Value, b: Value): boolean {
  switch (operator) {
    case '==':
    case '=':
      return same(a, b);
    case '!=':
      return !same(a, b);
    case 'contains':
      return Array.isArray(a)
        ? a.some((item) => same(item as Value, b))
        : textOf(a).includes(textOf(b));
    case 'in':
      return Array.isArray(b)
        ? b.some((item) => same(a, item as Value))
        : textOf(b).includes(textOf(a));
    case 'matches':
      return regex(textOf(b)).test(textOf(a).slice(0, 20_000));
    default:
      return ordered(operator, a, b);
  }
}

function ordered(operator: string, a: Value, b: Value): boolean {
  if (a === null || b === null) return false;
  const [x, y] =
    typeof a === 'number' || typeof b === 'number'
      ? [Number(a), Number(b)]
      : [textOf(a), textOf(b)];
  if (operator === '<') return x < y;
  if (operator === '<=') return x <= y;
  return operator === '>' ? x > y : x >= y;
}

/** `5 == '5'`: tables hold text where people think of numbers. */
const same = (a: Value, b: Value) =>
  a === b || (a !== null && b !== null && textOf(a) === textOf(b));
const textOf = (value: Value) =>
  typeof value === 'string' ? value : value === null ? '' : String(value);

const regexes = new Map<string, RegExp>();
function regex(source: string): RegExp {
  const known = regexes.get(source);
  if (known !== undefined) return known;
  try {
    const made = new RegExp(source, 'iu');
    regexes.set(source, made);
    return made;
  } catch (error) {
    throw new ExpressionError(`'${source}' is no regular expression: ${(error as Error).message}`);
  }
}

const FUNCTIONS: Readonly<Record<string, (value: Value) => Value>> = {
  len: (value) => (Array.isArray(value) ? value.length : [...textOf(value)].length),
  words: (value) => textOf(value).split(/\s+/).filter(Boolean).length,
  lower: (value) => textOf(value).toLowerCase(),
  trim: (value) => textOf(value).trim(),
  language: (value) => languageOfText(textOf(value)),
  number: (value) => Number(value),
};

const views = new WeakMap<object, View | null>();
/** Null for rows of no known form. */
export function viewOfRow(value: unknown): View | null {
  if (typeof value !== 'object' || value === null) return null;
  const known = views.get(value);
  if (known !== undefined) return known;
  let view: View | null = null;
  const shape = shapeOf(value);
  if (shape !== null)
    try {
      view = viewOf(readSample(shape, value).sample);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
    }
  views.set(value, view);
  return view;
}

function field({ value, line }: Scope, [name, ...path]: readonly string[]): Value {
  if (name === 'line') return line;
  if (name === 'row') {
    let at: unknown = value;
    for (const key of path)
      at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined;
    if (at === undefined || at === null) return null;
    return typeof at === 'object' ? JSON.stringify(at) : (at as Value);
  }
  const view = viewOfRow(value);
  if (view === null) return null;
  if (name === 'prompt') return view.prompt;
  if (name === 'answer') return view.answer;
  if (name === 'label') return view.answer.trim();
  if (name === 'system') return view.system;
  if (name === 'turns') return view.messages?.length ?? 1;
  return languageOfText(view.answer.length > 40 ? view.answer : `${view.prompt} ${view.answer}`);
}
