// Places the cut between scores of rows with and without a category.

export type Scored = { readonly score: number; readonly target: 0 | 1 };

const BETA = 0.7; // a false alarm costs somewhat more than a miss

/** The cut with the best F-score, halfway between two neighbouring scores. */
export function bestCut(scored: readonly Scored[]): number {
  const sorted = [...scored].sort((a, b) => b.score - a.score);
  const positives = sorted.filter(({ target }) => target === 1).length;
  let [hits, best, cut] = [0, -1, 0];
  for (const [i, { score, target }] of sorted.entries()) {
    hits += target;
    const [precision, recall] = [hits / (i + 1), hits / Math.max(1, positives)];
    const f = ((1 + BETA ** 2) * precision * recall) / (BETA ** 2 * precision + recall || 1);
    if (f <= best) continue;
    best = f;
    cut = (score + (sorted[i + 1]?.score ?? score - 1)) / 2;
  }
  return cut;
}

/** How fast the logistic curve through the cut should rise: the value under which the labels are the
 *  likeliest. */
export function steepnessOf(scored: readonly Scored[], cut: number): number {
  const loss = (steepness: number) =>
    scored.reduce((sum, { score, target }) => {
      const margin = steepness * (score - cut) * (target === 1 ? 1 : -1);
      return sum + Math.log1p(Math.exp(-margin));
    }, 0);
  return STEEP.reduce((best, one) => (loss(one) < loss(best) ? one : best));
}
const STEEP = [1, 1.5, 2, 3, 4, 5, 6, 8];
