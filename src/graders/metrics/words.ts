// Splits text into the words that the metrics count. For English the two ways equal those of the tools
// that everybody reports: mteval-v13a (sacrebleu) and rouge-score. Chinese, Japanese and Korean
// characters count as a word each, because their text has no spaces to split at.

const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu;
const apart = (text: string) => text.replace(CJK, ' $& ');

/** With case and punctuation, each mark a word of its own; of BLEU, GLEU and METEOR. */
export function markedWords(text: string): string[] {
  const line = apart(text.trimEnd())
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return split(
    ` ${line} `
      .replace(/[{-~[-` -&(-+:-@/]/g, ' $& ')
      // A point or comma inside a number belongs to it.
      .replace(/([^0-9])([.,])/g, '$1 $2 ')
      .replace(/([.,])([^0-9])/g, ' $1 $2')
      .replace(/([0-9])(-)/g, '$1 $2 '),
  );
}

/** Lower-case letters and digits only; of ROUGE and cosine. */
export const plainWords = (text: string) =>
  split(apart(text.toLowerCase()).replace(/[^\p{L}\p{M}\p{N}]+/gu, ' '));

export const split = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');

/** How often each run of `n` words occurs. */
export function ngrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= words.length; i++) {
    const key = words.slice(i, i + n).join(' ');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Runs that both have, each as often as in the one with fewer. */
export function shared(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [key, count] of a) sum += Math.min(count, b.get(key) ?? 0);
  return sum;
}

export const total = (counts: ReadonlyMap<string, number>) =>
  [...counts.values()].reduce((sum, count) => sum + count, 0);
