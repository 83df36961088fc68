// Says again, in the reader's language, a sentence that came over the wire in English. It is known by its
// own words, so that the wire carries nothing besides, and what was stored long ago is told as well. What is
// in no catalogue stays as it came.
import { en, type MessageKey } from './en.ts';
import type { Say } from './say.ts';

export function retell(text: string, speak: Say): string {
  if (speak('cli.language') === 'en') return text;
  return find(text, SENTENCES(), speak) ?? text;
}

type Pattern = {
  readonly key: MessageKey;
  readonly regex: RegExp;
  readonly names: readonly string[];
};

/** Parts that are sentences of the catalogue themselves. */
const INNER = [
  'message',
  'reason',
  'advice',
  'how',
  'crash',
  'remark',
  'which',
  'problems',
  'kind',
  'unit',
];
/** Parts that are several such, with commas between them. */
const LISTS = ['list', 'first'];

function find(text: string, patterns: readonly Pattern[], speak: Say): string | null {
  for (const { key, regex, names } of patterns) {
    const match = regex.exec(text);
    if (match === null) continue;
    const params = names.map((name, i) => [name, part(name, match[i + 1]!, speak)] as const);
    return speak(key, Object.fromEntries(params));
  }
  return null;
}

function part(name: string, text: string, speak: Say): string {
  const inner = (piece: string) => find(piece, PARTS(), speak) ?? piece;
  if (INNER.includes(name)) return inner(text);
  if (!LISTS.includes(name)) return text;
  const more = find(text, MORE(), speak);
  // Not at the commas inside of brackets.
  return (
    more ??
    text
      .split(/, (?![^(]*\))/)
      .map(inner)
      .join(speak('list.comma'))
  );
}

/** Tried first: what begins with the most words of its own, then what has the most of them. A place at the
 *  beginning would take the words of others for its value. */
function patterns(wanted: (key: string) => boolean): Pattern[] {
  const keys = (Object.keys(en) as MessageKey[]).filter(wanted);
  const begins = (key: MessageKey) => en[key].split('{')[0]!.length;
  const words = (key: MessageKey) => en[key].replace(/\{\w+\}/g, '').length;
  return keys.toSorted((a, b) => begins(b) - begins(a) || words(b) - words(a)).map(patternOf);
}

function patternOf(key: MessageKey): Pattern {
  const names: string[] = [];
  const source = en[key].replace(/\{(\w+)\}|[\\^$.*+?()[\]{}|/]/g, (found, name?: string) => {
    if (name === undefined) return `\\${found}`;
    const known = names.indexOf(name);
    if (known >= 0) return `\\${known + 1}`;
    names.push(name);
    return `(${SHAPES[name] ?? '.+?'})`;
  });
  return { key, regex: new RegExp(`^${source}$`, 's'), names };
}

/** What stands in these places is of a known shape; elsewhere it may be anything. */
const SHAPES: Readonly<Record<string, string>> = {
  which: 'training|validation|general',
  signal: '\\w+',
  code: '\\w+',
};

// Made when the first sentence comes: who reads English never needs them.
const once = (make: () => Pattern[]) => {
  let made: Pattern[] | null = null;
  return () => (made ??= make());
};
const SENTENCES = once(() => patterns((key) => /^(event|failure|refusal|start)\./.test(key)));
const PARTS = once(() =>
  patterns((key) => /^(event|failure|refusal|reason|part|check|data)\./.test(key)),
);
const MORE = once(() => patterns((key) => key === 'part.and_more'));
