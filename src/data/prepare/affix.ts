// What all texts begin or end with, in whole characters: half of an emoji is no prefix.

export function commonPrefix(texts: readonly string[]): string {
  const [first = ''] = texts;
  let length = first.length;
  for (const text of texts) {
    let same = 0;
    while (same < length && text[same] === first[same]) same += 1;
    length = same;
  }
  const cutsPair = isHigh(first.charCodeAt(length - 1)) && length < first.length;
  return first.slice(0, cutsPair ? length - 1 : length);
}

export function commonSuffix(texts: readonly string[]): string {
  const [first = ''] = texts;
  let length = first.length;
  for (const text of texts) {
    let same = 0;
    while (same < length && text.length > same && text.at(-1 - same) === first.at(-1 - same))
      same += 1;
    length = same;
  }
  if (length < first.length && isLow(first.charCodeAt(first.length - length))) length -= 1;
  return length === 0 ? '' : first.slice(-length);
}

const isHigh = (unit: number) => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit: number) => unit >= 0xdc00 && unit < 0xe000;

/** Characters as Python counts them. */
export function characters(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++)
    if (isHigh(text.charCodeAt(i)) && isLow(text.charCodeAt(i + 1))) count -= 1;
  return count;
}

/** Line ends made visible, for messages. */
export const shown = (text: string) => text.replaceAll('\n', '\\n');
