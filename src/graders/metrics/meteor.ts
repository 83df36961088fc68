// METEOR of one sentence (Lavie and Agarwal 2007, with nltk's parameters): words matched as they are, then
// by their stems; recall counts nine times as much as precision, and scattered matches cost up to half.
// Synonyms are not matched: WordNet would have to come along.
import { stem } from './stem.ts';
import { markedWords } from './words.ts';

const RECALL_WEIGHT = 0.9;
const SCATTER_COST = 0.5;
const SCATTER_POWER = 3;

export function meteor(input: string, reference: string): number {
  const [words, wanted] = [input, reference].map((text) =>
    markedWords(text).map((word) => word.toLowerCase()),
  );
  const matches = align(words!, wanted!);
  if (matches.length === 0) return 0;
  const precision = matches.length / words!.length;
  const recall = matches.length / wanted!.length;
  const mean = (precision * recall) / (RECALL_WEIGHT * precision + (1 - RECALL_WEIGHT) * recall);
  const scatter = chunks(matches) / matches.length;
  return (1 - SCATTER_COST * scatter ** SCATTER_POWER) * mean;
}

type Match = readonly [word: number, reference: number];

function align(words: readonly string[], wanted: readonly string[]): Match[] {
  const matches: Match[] = [];
  const [usedA, usedB] = [new Set<number>(), new Set<number>()];
  for (const form of [(word: string) => word, stem]) {
    const places = new Map<string, number[]>();
    for (const [j, word] of wanted.entries()) {
      if (usedB.has(j)) continue;
      const key = form(word);
      places.set(key, [...(places.get(key) ?? []), j]);
    }
    // From the back, each word with the last place that is free.
    for (let i = words.length - 1; i >= 0; i--) {
      const j = usedA.has(i) ? undefined : places.get(form(words[i]!))?.pop();
      if (j === undefined) continue;
      usedA.add(i);
      usedB.add(j);
      matches.push([i, j]);
    }
  }
  return matches.sort(([a], [b]) => a - b);
}

/** Stretches of words that stand side by side in both texts. */
const chunks = (matches: readonly Match[]) =>
  matches.filter(([i, j], at) => {
    const before = matches[at - 1];
    return before === undefined || i !== before[0] + 1 || j !== before[1] + 1;
  }).length;
