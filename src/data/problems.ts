// What is wrong with a training file, as values: where, what, and how to mend it. The wording lives in
// the catalogue; `describe` gives the English sentence that the API and the log carry.
import type { en, MessageKey } from '../messages/en.ts';
import { type Params, type Say, say } from '../messages/say.ts';

/** A key of the catalogue under `data.` that has a partner `….fix`. */
export type ProblemKey = {
  [K in MessageKey]: K extends `data.${string}`
    ? `${K}.fix` extends MessageKey
      ? K
      : never
    : never;
}[keyof typeof en];

export type Problem = {
  readonly kind: 'problem';
  /** A note changes nothing and stops nothing. */
  readonly level: 'error' | 'note';
  /** From 1; 0 where the file as a whole is meant. */
  readonly line: number;
  /** Number of the example, from 1: lines without blank ones. 0 for the whole file. */
  readonly example: number;
  /** JSON path inside the line, such as `messages[1].role`; '' for the whole line. */
  readonly path: string;
  readonly key: ProblemKey;
  readonly params: Params;
};

/** A problem inside one example; whoever reads the file knows the line. */
export type Finding = Pick<Problem, 'path' | 'key' | 'params'>;

export const finding = (path: string, key: ProblemKey, params: Params = {}): Finding => ({
  path,
  key,
  params,
});

/** `Example 100, message 2 Discriminator 'role' is missing in value (line 103, messages[1].role). Fix: …` */
export function describe(problem: Problem): string {
  const { what, fix } = explain(problem, say);
  const where = [problem.line > 0 && `line ${problem.line}`, problem.path].filter(Boolean);
  const place = where.length > 0 ? ` (${where.join(', ')})` : '';
  const text = `${examplePlace(problem)}${what}${place}. ${fix}`;
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The two halves in the language of `speak`, without the place. */
export const explain = ({ key, params }: Problem, speak: Say) => ({
  what: speak(key, params),
  fix: speak(`${key}.fix`, params),
});

function examplePlace({ example, path }: Problem): string {
  if (example === 0) return '';
  const message = /^(?:input\.)?messages\[(\d+)\]/.exec(path)?.[1];
  return `Example ${example}, ${message === undefined ? '' : `message ${Number(message) + 1} `}`;
}
