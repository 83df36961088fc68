// The three things tokenizers do to text before cutting it: nothing, Unicode composition (NFC), and
// SentencePiece's ▁ for spaces. Every result remembers which source characters it came from.
import type { Normalized } from './encoder.ts';
import { SPACE } from './sentencepiece.ts';

/** Null where the text is composed already, which is nearly always. */
export function composeCharacters(text: string): Normalized | null {
  if (text.normalize('NFC') === text) return null;
  let out = '';
  const sourceStarts: number[] = [];
  const sourceEnds: number[] = [];
  // A character composes with the marks (or Hangul vowels and finals) that follow it, with nothing else.
  for (const match of text.matchAll(/[\s\S][\p{M}\u1160-\u11ff]*/gu)) {
    const composed = match[0].normalize('NFC');
    const same = composed === match[0];
    for (let unit = 0; unit < composed.length; unit++) {
      sourceStarts.push(same ? match.index + unit : match.index);
      sourceEnds.push(same ? match.index + unit + 1 : match.index + match[0].length);
    }
    out += composed;
  }
  return { text: out, sourceStarts, sourceEnds };
}

/** `prefix`: put a ▁ in front of the first stretch of a text, of every stretch, or of none. */
export const spacesToUnderscores =
  (prefix: 'first' | 'always' | 'never', unlessSpace: boolean) =>
  (text: string, isFirst: boolean): Normalized => {
    const wanted = prefix === 'always' || (prefix === 'first' && isFirst);
    const shift = wanted && !(unlessSpace && text.startsWith(' ')) ? 1 : 0;
    const sourceStarts = new Array<number>(text.length + shift);
    const sourceEnds = new Array<number>(text.length + shift);
    if (shift === 1) [sourceStarts[0], sourceEnds[0]] = [0, 0];
    for (let unit = 0; unit < text.length; unit++) {
      sourceStarts[unit + shift] = unit;
      sourceEnds[unit + shift] = unit + 1;
    }
    const escaped = text.replaceAll(' ', SPACE);
    return { text: shift === 1 ? SPACE + escaped : escaped, sourceStarts, sourceEnds };
  };
