// The thirteen kinds of harm that the API's answer names.
export const CATEGORIES = [
  'harassment',
  'harassment/threatening',
  'hate',
  'hate/threatening',
  'illicit',
  'illicit/violent',
  'self-harm',
  'self-harm/instructions',
  'self-harm/intent',
  'sexual',
  'sexual/minors',
  'violence',
  'violence/graphic',
] as const;

export type Category = (typeof CATEGORIES)[number];

/** One number for each category. */
export type Scores = Readonly<Record<Category, number>>;

/** From this score on a category counts as present. Training places each category's best cut here. */
export const THRESHOLD = 0.5;

/** The categories whose score reaches the threshold, in the API's order. */
export const flaggedIn = (scores: Scores): Category[] =>
  CATEGORIES.filter((category) => scores[category] >= THRESHOLD);

/** What is `hate/threatening` is `hate` too. */
export function withParents(scores: Scores): Scores {
  const all: Record<string, number> = { ...scores };
  for (const category of CATEGORIES) {
    const [parent] = category.split('/') as [string];
    all[parent] = Math.max(all[parent]!, all[category]!);
  }
  return all as Record<Category, number>;
}
