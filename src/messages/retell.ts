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
const INNER = ['message', 'reason', 'advice', 'how', 'crash', 'remark', 'which', 'problems'];
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

/** The more words of its own a sentence has, the earlier it is tried. */
function patterns(wanted: (key: string) => boolean): Pattern[] {
  const keys = (Object.keys(en) as MessageKey[]).filter(wanted);
  const literal = (key: MessageKey) => en[key].replace(/\{\w+\}/g, '').length;
  return keys.toSorted((a, b) => literal(b) - literal(a)).map(patternOf);
}

function patternOf(key: MessageKey): Pattern {
  const names: string[] = [];
  const source = en[key].replace(/\{(\w+)\}|[\\^$.*+?()[\]{}|/]/g, (found, name?: string) => {
    if (name === undefined) return `\\${found}`;
    const known = names.indexOf(name);
    if (known >= 0) return `\\${known + 1}`;
    names.push(name);
    return '(.+?)';
  });
  return { key, regex: new RegExp(`^${source}$`, 's'), names };
}

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
