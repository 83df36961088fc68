// The commonest words of a text, and how much two vocabularies share: the measure of domain relevance
// of Gururangan et al. 2020 (arXiv:2004.10964, figure 2): overlap of the top 10,000 unigrams without
// stop words.

export const TOP_WORDS = 10_000;

/** Words are runs of letters; Chinese and Japanese text is cut by the system's dictionary. */
export class Vocabulary {
  readonly #counts = new Map<string, number>();
  readonly #budget: number;
  characters = 0;
  rows = 0;

  /** `budget`: characters that are read at most; what is beyond is not looked at. */
  constructor(budget = Number.POSITIVE_INFINITY) {
    this.#budget = budget;
  }

  /** False once the budget is spent. */
  add(text: string): boolean {
    if (this.characters >= this.#budget) return false;
    this.characters += text.length;
    this.rows += 1;
    for (const word of words(text)) this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
    return true;
  }

  top(count = TOP_WORDS): readonly string[] {
    return [...this.#counts]
      .toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
      .slice(0, count)
      .map(([word]) => word);
  }
}

const segmenter = new Intl.Segmenter('zh', { granularity: 'word' });

function* words(text: string): Generator<string> {
  for (const [run] of text.toLowerCase().matchAll(RUNS)) {
    if (!HAN.test(run)) {
      if (run.length > 1 && !STOP.has(run)) yield run;
      continue;
    }
    for (const { segment, isWordLike } of segmenter.segment(run))
      if (isWordLike === true && !STOP.has(segment)) yield segment;
  }
}

const RUNS = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]+|[\p{L}']+/gu;
const HAN = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]/u;
const STOP = new Set(
  (
    'a about after again all also am an and any are as at be because been before being both but by can could did do does doing ' +
    "don down during each few for from further get had has have having he her here hers him his how i if in into is it it's its " +
    'just like make me more most my no nor not now of off on once one only or other our out over own same she should so some such ' +
    'than that the their them then there these they this those through to too under until up us use very was we were what when ' +
    'where which while who why will with would you your yours ' +
    '的 了 和 是 在 我 有 不 也 就 都 而 及 与 着 或 一个 没有 我们 你 你们 他 她 它 他们 这 那 之 为 以 于 对 中 上 下 等 被 把 从 到 并 但 还 很 可以 会 能 要 个 一 吗 呢 吧 啊 什么 怎么 如何 如果 因为 所以 这个 那个 请 说 人 来 去'
  ).split(' '),
);

/** Share of common words, from 0 to 1: of the shorter list, so that it is symmetric. */
export function overlap(a: readonly string[], b: readonly string[]): number {
  const [small, large] = a.length <= b.length ? [a, b] : [b, a];
  if (small.length === 0) return 0;
  const known = new Set(large);
  return small.filter((word) => known.has(word)).length / small.length;
}
