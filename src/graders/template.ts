// `{{item.x}}` and `{{sample.output_text}}` in the texts of a grader.
import { GraderProblem } from './problem.ts';

/** What a grader looks at. */
export type Facts = {
  readonly item: Readonly<Record<string, unknown>>;
  /** The text that a model has written. */
  readonly sample: string;
};

const PLACE = /\{\{([^{}]*)\}\}/g; // a brace inside would make the search quadratic
const PATH = /^\s*(item|sample)((?:\.[^.[\]\s]+|\[\d+\])+)\s*$/;
const SAMPLE = ['output_text', 'output_json'];

/** Throws GraderProblem `invalid_variable_error`, or `sample_parse_error` where the sample should be JSON. */
export const fill = (template: string, facts: Facts): string =>
  template.replace(PLACE, (_, path: string) => asText(lookUp(path, facts)));

/** What no item could make right; null: nothing. */
export function templateFault(template: string): string | null {
  for (const [place, inside] of template.matchAll(PLACE)) {
    const path = PATH.exec(inside!);
    if (path === null)
      return `'${place}' is no variable; write {{item.NAME}}, {{sample.output_text}} or {{sample.output_json}}`;
    const [first] = stepsOf(path[2]!);
    if (path[1] === 'sample' && !SAMPLE.includes(first!))
      return `'${place}' is unknown; of a sample there are ${SAMPLE.join(' and ')}`;
  }
  const open = template.replace(PLACE, (place) => ' '.repeat(place.length)).indexOf('{{');
  return open < 0 ? null : `'${template.slice(open, open + 40)}' is not closed by }}`;
}

function lookUp(path: string, { item, sample }: Facts): unknown {
  const found = PATH.exec(path);
  if (found === null) throw unknownVariable(path);
  const steps = stepsOf(found[2]!);
  if (found[1] === 'item') return walk(item, steps, path);
  const [first, ...rest] = steps;
  if (first === 'output_text' && rest.length === 0) return sample;
  if (first === 'output_json') return walk(parsed(sample), rest, path);
  throw unknownVariable(path);
}

const stepsOf = (text: string) => text.split(/[.[\]]+/).filter((step) => step !== '');

function walk(start: unknown, steps: readonly string[], path: string): unknown {
  let value = start;
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step))
      throw unknownVariable(path);
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function parsed(sample: string): unknown {
  try {
    return JSON.parse(sample);
  } catch (error) {
    throw new GraderProblem(
      'sample_parse_error',
      `the sample is not JSON: ${(error as Error).message}`,
    );
  }
}

const unknownVariable = (path: string) =>
  new GraderProblem('invalid_variable_error', `there is no ${path.trim()}`);

const asText = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
