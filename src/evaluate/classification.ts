// How well a classifier tells its classes apart. Pure functions; undefined figures are null, never NaN.

/** `actual` is the number of a class, `probabilities` has one for each class. */
export type Prediction = {
  readonly actual: number;
  readonly probabilities: readonly number[];
};
export type Scored = { readonly positive: boolean; readonly score: number };

/** Columns of a legacy result file. With a positive class those of two classes, at a threshold of one
 *  half; else those of several. A figure that the rows do not define is left out. */
export function classificationColumns(
  { labels, rows }: { readonly labels: readonly string[]; readonly rows: readonly Prediction[] },
  {
    positive_class,
    betas,
  }: { readonly positive_class: string | null; readonly betas: readonly number[] },
): Record<string, number> {
  const figures =
    positive_class === null
      ? severalClasses(labels.length, rows)
      : twoClasses(scored(rows, labels.indexOf(positive_class)), betas);
  const defined = Object.entries(figures).filter(
    (entry): entry is [string, number] => entry[1] !== null,
  );
  return Object.fromEntries(defined.map(([name, value]) => [`classification/${name}`, value]));
}

const scored = (rows: readonly Prediction[], positive: number): Scored[] =>
  rows.map(({ actual, probabilities }) => ({
    positive: actual === positive,
    score: probabilities[positive]!,
  }));

function severalClasses(classes: number, rows: readonly Prediction[]) {
  const predicted = rows.map(({ probabilities }) =>
    probabilities.indexOf(Math.max(...probabilities)),
  );
  const right = rows.filter(({ actual }, i) => actual === predicted[i]).length;
  let weighted = 0;
  for (let label = 0; label < classes; label++) {
    const support = rows.filter(({ actual }) => actual === label).length;
    const claimed = predicted.filter((one) => one === label).length;
    const hits = rows.filter(({ actual }, i) => actual === label && predicted[i] === label).length;
    // F1 = 2·hits / (claimed + support); 0 for a class that was claimed or seen but never hit.
    if (support > 0) weighted += (support * 2 * hits) / (claimed + support);
  }
  return {
    accuracy: ratio(right, rows.length),
    weighted_f1_score: ratio(weighted, rows.length),
  };
}

const THRESHOLD = 0.5;

function twoClasses(rows: readonly Scored[], betas: readonly number[]) {
  const claims = rows.filter(({ score }) => score > THRESHOLD);
  const hits = claims.filter(({ positive }) => positive).length;
  const positives = rows.filter(({ positive }) => positive).length;
  const right = hits + rows.filter(({ score, positive }) => !positive && score <= THRESHOLD).length;
  const precision = claims.length === 0 ? 0 : hits / claims.length;
  const recall = positives === 0 ? 0 : hits / positives;
  const wanted = betas.length === 0 ? [1] : betas;
  return {
    accuracy: ratio(right, rows.length),
    precision,
    recall,
    auroc: auroc(rows),
    auprc: auprc(rows),
    ...Object.fromEntries(
      wanted.map((beta) => [`f${asFloat(beta)}`, fBeta(precision, recall, beta)]),
    ),
  };
}

/** Harmonic mean in which recall counts beta times as much as precision; 0 where both are 0. */
function fBeta(precision: number, recall: number, beta: number): number {
  const square = beta ** 2;
  const below = square * precision + recall;
  return below === 0 ? 0 : ((1 + square) * precision * recall) / below;
}

/** Chance that a positive row scores above a negative one, ties counting half; null without both. */
export function auroc(rows: readonly Scored[]): number | null {
  const positives = rows.filter(({ positive }) => positive).length;
  const negatives = rows.length - positives;
  if (positives === 0 || negatives === 0) return null;
  let ranks = 0;
  let before = 0;
  for (const tied of byScore(rows).toReversed()) {
    const mean = before + (tied.length + 1) / 2;
    ranks += mean * tied.filter(({ positive }) => positive).length;
    before += tied.length;
  }
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Average precision: the area under the steps of precision over recall; null without a positive row. */
export function auprc(rows: readonly Scored[]): number | null {
  const positives = rows.filter(({ positive }) => positive).length;
  if (positives === 0) return null;
  let [area, hits, claimed] = [0, 0, 0];
  for (const tied of byScore(rows)) {
    const gained = tied.filter(({ positive }) => positive).length;
    hits += gained;
    claimed += tied.length;
    area += (gained / positives) * (hits / claimed);
  }
  return area;
}

/** Groups of equal score, the highest first. */
function byScore(rows: readonly Scored[]): Scored[][] {
  const groups = new Map<number, Scored[]>();
  for (const row of rows.toSorted((a, b) => b.score - a.score)) {
    const tied = groups.get(row.score);
    if (tied === undefined) groups.set(row.score, [row]);
    else tied.push(row);
  }
  return [...groups.values()];
}

const ratio = (part: number, whole: number) => (whole === 0 ? null : part / whole);

/** As Python prints it: `1.0`, `0.5`. */
const asFloat = (value: number) => (Number.isInteger(value) ? value.toFixed(1) : String(value));
