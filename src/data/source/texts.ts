// Changes the texts of a row and leaves its structure alone.
import { isObject } from '../formats/chat.ts';

/** Keys whose values are names, not text that a model reads. */
const NAMES = new Set(['role', 'from', 'type', 'id', 'tool_call_id']);

/** Not recursive in the call stack: rows may be nested as deep as they like. */
export function mapTexts<T>(row: T, change: (text: string) => string): T {
  const root: { value: unknown } = { value: row };
  const waiting: { holder: Record<string, unknown>; key: string }[] = [
    { holder: root as Record<string, unknown>, key: 'value' },
  ];
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const { holder, key } = item;
    const value = holder[key];
    if (typeof value === 'string') {
      if (!NAMES.has(key)) holder[key] = change(value);
    } else if (Array.isArray(value) || isObject(value)) {
      const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<
        string,
        unknown
      >;
      holder[key] = copy;
      for (const inner of Object.keys(copy)) waiting.push({ holder: copy, key: inner });
    }
  }
  return root.value as T;
}
