// Where in a line of JSON a path such as `messages[1].role` stands. Walks the text, which is known to be
// sound, without recursion.

/** From 0: the value at the path, or the innermost one around it that is there. */
export function placeOf(text: string, path: string): number {
  let at = skipSpace(text, 0);
  for (const [, key, index] of path.matchAll(/([^.[\]]+)|\[(\d+)\]/g)) {
    const inner = index === undefined ? memberOf(text, at, key!) : itemOf(text, at, Number(index));
    if (inner === null) break;
    at = inner;
  }
  return at;
}

/** The value of a key of the object that starts at `open`. */
function memberOf(text: string, open: number, key: string): number | null {
  if (text[open] !== '{') return null;
  let at = skipSpace(text, open + 1);
  while (text[at] === '"') {
    const end = stringEnd(text, at);
    const value = skipSpace(text, skipSpace(text, end) + 1);
    if (JSON.parse(text.slice(at, end)) === key) return value;
    at = skipSpace(text, skipSpace(text, valueEnd(text, value)) + 1);
  }
  return null;
}

function itemOf(text: string, open: number, index: number): number | null {
  if (text[open] !== '[') return null;
  let at = skipSpace(text, open + 1);
  for (let i = 0; at < text.length && text[at] !== ']'; i++) {
    if (i === index) return at;
    at = skipSpace(text, skipSpace(text, valueEnd(text, at)) + 1);
  }
  return null;
}

function valueEnd(text: string, start: number): number {
  if (text[start] === '"') return stringEnd(text, start);
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') at = stringEnd(text, at) - 1;
    else if (char === '{' || char === '[') depth += 1;
    else if (char === '}' || char === ']') {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    } else if (char === ',' && depth === 0) return at;
  }
  return text.length;
}

/** Behind the closing quote. */
function stringEnd(text: string, quote: number): number {
  for (let at = quote + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text[at]!)) at += 1;
  return at;
}
