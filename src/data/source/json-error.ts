// Where a text stops being JSON: the engine's own message often names no place. Walks the text once
// without recursion, so that nesting of any depth is no danger. Called for broken lines only.

export type JsonError = {
  /** From 0; the length of the text where it ends too early. */
  readonly at: number;
  readonly early: boolean;
};

/** Null when the text is JSON. Grammar: RFC 8259. */
export function jsonErrorAt(text: string): JsonError | null {
  const open: ('{' | '[')[] = [];
  let at = skipSpace(text, 0);
  let want: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'next' = 'value';
  const wrong = (): JsonError => ({ at, early: at >= text.length });
  for (;;) {
    at = skipSpace(text, at);
    const char = text[at];
    if (want === 'next') {
      const inside = open.at(-1);
      if (inside === undefined) return at >= text.length ? null : wrong();
      if (char === ',') {
        want = inside === '{' ? 'key' : 'value';
        at += 1;
      } else if (char === (inside === '{' ? '}' : ']')) {
        open.pop();
        at += 1;
      } else return wrong();
      continue;
    }
    if (want === 'colon') {
      if (char !== ':') return wrong();
      at += 1;
      want = 'value';
      continue;
    }
    if (want === 'key' || want === 'key-or-end') {
      if (char === '}' && want === 'key-or-end') {
        open.pop();
        at += 1;
        want = 'next';
        continue;
      }
      if (char !== '"') return wrong();
      const end = stringEnd(text, at);
      if (end.at < 0) return { at: -end.at - 1, early: end.early };
      at = end.at;
      want = 'colon';
      continue;
    }
    if (char === ']' && want === 'value-or-end') {
      open.pop();
      at += 1;
      want = 'next';
    } else if (char === '{' || char === '[') {
      open.push(char);
      at += 1;
      want = char === '{' ? 'key-or-end' : 'value-or-end';
    } else if (char === '"') {
      const end = stringEnd(text, at);
      if (end.at < 0) return { at: -end.at - 1, early: end.early };
      at = end.at;
      want = 'next';
    } else {
      ATOM.lastIndex = at;
      const atom = ATOM.exec(text);
      if (atom === null) return wrong();
      at += atom[0].length;
      want = 'next';
    }
  }
}

const ATOM = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text[at]!)) at += 1;
  return at;
}

/** Behind the closing quote; a negative place is that of the fault, less one. */
function stringEnd(text: string, quote: number): { readonly at: number; readonly early: boolean } {
  for (let at = quote + 1; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') return { at: at + 1, early: false };
    if (char < ' ') return { at: -at - 1, early: false };
    if (char !== '\\') continue;
    at += 1;
    const escaped = text[at];
    if (escaped === undefined) break;
    if (escaped === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5)))
        return { at: -at - 1, early: at + 5 > text.length };
      at += 4;
    } else if (!'"\\/bfnrt'.includes(escaped)) return { at: -at - 1, early: false };
  }
  return { at: -text.length - 1, early: true };
}
