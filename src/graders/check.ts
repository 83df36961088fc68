// What is wrong with a grader before it has seen anything: faults that no item could make right. `run`
// reports a broken formula as an error of the grade, `validate` refuses it; both refuse the rest.
import { FormulaError, parseFormula } from './formula.ts';
import {
  type Grader,
  type Message,
  type Multi,
  partsOf,
  type Single,
  variablesOf,
} from './grader.ts';
import { templateFault } from './template.ts';

export type Fault = { readonly path: readonly (string | number)[]; readonly message: string };

export function* faults(grader: Grader): Generator<Fault> {
  if (grader.type !== 'multi') return yield* singleFaults(grader, []);
  const seen = new Set<string>();
  const list = Array.isArray(grader.graders);
  for (const [i, { key, grader: part }] of partsOf(grader).entries()) {
    const path = ['graders', list ? i : key];
    if (seen.has(key))
      yield { path: [...path, 'name'], message: `the name '${key}' is used twice` };
    seen.add(key);
    yield* singleFaults(part, path);
  }
}

export function formulaFault(multi: Multi): string | null {
  const known = variablesOf(multi);
  try {
    const unknown = parseFormula(multi.calculate_output).names.find((name) => !known.has(name));
    return unknown === undefined
      ? null
      : `there is no grader '${unknown}'; there are ${[...known.keys()].join(', ')}`;
  } catch (error) {
    if (error instanceof FormulaError) return error.message;
    throw error;
  }
}

function* singleFaults(grader: Single, path: Fault['path']): Generator<Fault> {
  if (grader.type === 'python') return;
  if (grader.type === 'string_check' || grader.type === 'text_similarity') {
    for (const field of ['input', 'reference'] as const) {
      const message = templateFault(grader[field]);
      if (message !== null) yield { path: [...path, field], message };
    }
    return;
  }
  for (const [i, entry] of grader.input.entries()) {
    const message = templateFault(textOf(entry));
    if (message !== null) yield { path: [...path, 'input', i, 'content'], message };
  }
}

/** The text of a message with its places still empty. */
export const textOf = ({ content }: Message): string =>
  (Array.isArray(content) ? content : [content])
    .map((part) => (typeof part === 'string' ? part : part.text))
    .join('\n');
