// Keys that an object of a line holds twice: JSON.parse keeps the last one and says nothing.
import { isObject } from '../formats/chat.ts';

/** The first such key, or null. Counting is quick; only a suspicious line is walked. */
export function doubledKey(text: string, value: unknown): string | null {
  let colons = 0;
  for (let at = text.indexOf('":'); at >= 0; at = text.indexOf('":', at + 2)) colons += 1;
  if (colons <= keyCount(value)) return null;
  return walk(text);
}

function keyCount(root: unknown): number {
  let count = 0;
  const waiting: unknown[] = [root];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (Array.isArray(value)) {
      for (const item of value) if (typeof item === 'object' && item !== null) waiting.push(item);
    } else if (isObject(value))
      for (const key in value) {
        count += 1;
        const item = value[key];
        if (typeof item === 'object' && item !== null) waiting.push(item);
      }
  }
  return count;
}

function walk(text: string): string | null {
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(null);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      STRING.lastIndex = at;
      const whole = STRING.exec(text);
      if (whole === null) return null;
      at += whole[0].length - 1;
      COLON.lastIndex = at + 1;
      const keys = open.at(-1);
      if (!keys || !COLON.test(text)) continue;
      const key = String(JSON.parse(whole[0]));
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return null;
}

const STRING = /"(?:[^"\\]|\\.)*"/sy;
const COLON = /\s*:/y;
