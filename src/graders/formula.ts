// The formula of a multi grader: numbers, names of graders, + - * / ^, parentheses and a few functions.
// Parsed into a function; nothing is ever evaluated as code.

export type Formula = {
  readonly names: readonly string[];
  readonly evaluate: (values: ReadonlyMap<string, number>) => number;
};

/** What is wrong with a formula, in words for its author. */
export class FormulaError extends Error {}

const FUNCTIONS: Record<string, (...values: number[]) => number> = {
  min: Math.min,
  max: Math.max,
  abs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  exp: Math.exp,
  sqrt: Math.sqrt,
  log: Math.log,
};
const MANY = ['min', 'max'];

type Value = (values: ReadonlyMap<string, number>) => number;

const LONGEST = 2000; // characters: a chain of signs or powers must not exhaust the stack

/** Throws FormulaError. */
export function parseFormula(text: string): Formula {
  if (text.length > LONGEST) throw new FormulaError(`it is longer than ${LONGEST} characters`);
  const tokens = tokenize(text);
  const names = new Set<string>();
  let at = 0;
  const peek = () => tokens[at] ?? '';
  const take = (expected: string) => {
    if (peek() !== expected) throw unexpected(peek(), `'${expected}'`);
    at += 1;
  };

  function sum(): Value {
    let left = product();
    while (peek() === '+' || peek() === '-') {
      const sign = tokens[at++] === '+' ? 1 : -1;
      const [a, b] = [left, product()];
      left = (values) => a(values) + sign * b(values);
    }
    return left;
  }
  function product(): Value {
    let left = signed();
    while (peek() === '*' || peek() === '/') {
      const divide = tokens[at++] === '/';
      const [a, b] = [left, signed()];
      left = (values) => (divide ? a(values) / b(values) : a(values) * b(values));
    }
    return left;
  }
  /** -a^b is -(a^b). */
  function signed(): Value {
    if (peek() !== '-' && peek() !== '+') return power();
    const sign = tokens[at++] === '-' ? -1 : 1;
    const inner = signed();
    return (values) => sign * inner(values);
  }
  /** a^b^c is a^(b^c). */
  function power(): Value {
    const base = single();
    if (peek() !== '^') return base;
    at += 1;
    const exponent = signed();
    return (values) => base(values) ** exponent(values);
  }
  function single(): Value {
    const token = peek();
    if (token === '(') return inParentheses();
    if (/^[\d.]/.test(token)) {
      at += 1;
      const number = Number(token);
      return () => number;
    }
    if (!/^[\p{L}_]/u.test(token)) throw unexpected(token, 'a number, a name or (');
    at += 1;
    if (peek() === '(') return call(token);
    names.add(token);
    return (values) => values.get(token) ?? Number.NaN;
  }
  function inParentheses(): Value {
    take('(');
    const inner = sum();
    take(')');
    return inner;
  }
  function call(name: string): Value {
    const apply = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name]! : null;
    if (apply === null)
      throw new FormulaError(
        `there is no function '${name}'; there are ${Object.keys(FUNCTIONS).join(', ')}`,
      );
    take('(');
    const inputs = [sum()];
    while (peek() === ',') {
      at += 1;
      inputs.push(sum());
    }
    take(')');
    if (inputs.length > 1 && !MANY.includes(name))
      throw new FormulaError(`${name} takes one value, not ${inputs.length}`);
    return (values) => apply(...inputs.map((input) => input(values)));
  }

  const evaluate = sum();
  if (at < tokens.length) throw unexpected(peek(), 'an operator or the end');
  return { names: [...names], evaluate };
}

const TOKEN =
  /\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[\p{L}_][\p{L}\p{N}_]*|\*\*|[-+*/^(),]))/uy;
const DEEPEST = 100;

function tokenize(text: string): string[] {
  const tokens: string[] = [];
  const pattern = new RegExp(TOKEN);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const from = pattern.lastIndex;
    const found = pattern.exec(text);
    if (found === null) throw unexpected(text.slice(from).trim()[0] ?? '', 'something else');
    tokens.push(found[1] === '**' ? '^' : found[1]!);
  }
  let depth = 0;
  for (const token of tokens) {
    depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    if (depth > DEEPEST) throw new FormulaError(`it is nested deeper than ${DEEPEST} levels`);
  }
  return tokens;
}

const unexpected = (token: string, expected: string) =>
  new FormulaError(
    token === ''
      ? `it ends where ${expected} is expected`
      : `'${token}' stands where ${expected} is expected`,
  );
