// What the checks of rows need besides a counter: who judges unsafe text, and which words are common.
import { readFileSync } from 'node:fs';
import type { GeneralWords } from '../../data/check/file-checks.ts';
import { loadClassifier } from '../../moderate/classify.ts';

/** From here on a row is named. Of 8,300 ordinary rows (questions to a bank, sums, tool calls, answers
 *  of doctors) 18 reach it, 13 of them Chinese questions about loans; 59 reach 0.8. */
const UNSAFE_FROM = 0.95;

/** The worst category of a text; null for one that is not unsafe. */
export function unsafeText(text: string): string | null {
  let worst: [string, number] = ['', 0];
  const scores = loadClassifier().classify(text);
  for (const entry of Object.entries(scores)) if (entry[1] > worst[1]) worst = entry;
  return worst[1] >= UNSAFE_FROM ? worst[0] : null;
}

const lists = new Map<string, readonly string[] | null>();
export const generalWords: GeneralWords = (language) => {
  if (!lists.has(language)) {
    const known = language === 'en' || language === 'zh';
    const source = new URL(`../../../assets/general-words/${language}.txt`, import.meta.url);
    lists.set(language, known ? readFileSync(source, 'utf8').trim().split('\n') : null);
  }
  return lists.get(language) ?? null;
};
