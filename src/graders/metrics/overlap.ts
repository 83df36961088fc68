// Metrics that count common runs of words: BLEU, GLEU, ROUGE, cosine. All from 0 to 1.
import { commonLength, patternOf } from './lcs.ts';
import { markedWords, ngrams, plainWords, shared, total } from './words.ts';

const LONGEST = 4; // words of a run, in BLEU and GLEU

/** Of one sentence as sacrebleu's `sentence_bleu`: 13a words, exponential smoothing, only the orders that
 *  the text is long enough for (Papineni et al. 2002; Chen and Cherry 2014, method 3). */
export function bleu(input: string, reference: string): number {
  const [words, wanted] = [markedWords(input), markedWords(reference)];
  const found = orders((n) => shared(ngrams(words, n), ngrams(wanted, n)));
  if (found.every((count) => count === 0)) return 0;
  const brevity = words.length < wanted.length ? Math.exp(1 - wanted.length / words.length) : 1;
  let smoothing = 1;
  let logs = 0;
  const usable = Math.min(LONGEST, words.length);
  for (let n = 1; n <= usable; n++) {
    const all = words.length - n + 1;
    const count = found[n - 1]!;
    if (count === 0) smoothing *= 2;
    logs += Math.log((count === 0 ? 1 / smoothing : count) / all);
  }
  return brevity * Math.exp(logs / usable);
}

/** Google's BLEU of one sentence: the smaller of precision and recall over runs of 1 to 4 words (Wu et
 *  al. 2016, as nltk's `sentence_gleu`). */
export function gleu(input: string, reference: string): number {
  const [words, wanted] = [markedWords(input), markedWords(reference)];
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  const runs = (length: number) => sum(orders((n) => Math.max(0, length - n + 1)));
  const most = Math.max(runs(words.length), runs(wanted.length));
  return most === 0 ? 0 : sum(orders((n) => shared(ngrams(words, n), ngrams(wanted, n)))) / most;
}

/** F-measure of common runs of `n` words, as rouge-score without stemming (Lin 2004). */
export function rouge(input: string, reference: string, n: number): number {
  const [got, wanted] = [ngrams(plainWords(input), n), ngrams(plainWords(reference), n)];
  return fMeasure(shared(got, wanted), total(got), total(wanted));
}

/** F-measure of the longest common subsequence of words. */
export function rougeL(input: string, reference: string): number {
  const [got, wanted] = [plainWords(input), plainWords(reference)];
  return fMeasure(commonLength(patternOf(got), wanted), got.length, wanted.length);
}

/** Between the counts of words: no embedding model is asked. */
export function cosine(input: string, reference: string): number {
  const [a, b] = [ngrams(plainWords(input), 1), ngrams(plainWords(reference), 1)];
  let product = 0;
  for (const [word, count] of a) product += count * (b.get(word) ?? 0);
  const square = (counts: Map<string, number>) =>
    [...counts.values()].reduce((sum, count) => sum + count * count, 0);
  // The root of the product, not the product of the roots: equal texts give exactly 1.
  return product === 0 ? 0 : product / Math.sqrt(square(a) * square(b));
}

const orders = (count: (n: number) => number) =>
  Array.from({ length: LONGEST }, (_, i) => count(i + 1));

function fMeasure(common: number, got: number, wanted: number): number {
  const [precision, recall] = [common / Math.max(1, got), common / Math.max(1, wanted)];
  return common === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}
