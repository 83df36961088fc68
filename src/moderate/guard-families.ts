// Families of guard models: what each is asked, and how its answers are read. A family is known by the
// prompt that its chat template prints; names of files say nothing. What cannot be read is null, never
// "safe": a guess would be taken for a judgement. docs/reference/moderation.md has the tables.
import { CATEGORIES, type Category, type Scores, withParents } from './categories.ts';

/** `values` are what the chat template looks at beside the message. */
export type GuardQuestion = {
  readonly text: string;
  readonly values: Readonly<Record<string, unknown>>;
};
/** A token of the answer, the likeliest others in its place included. */
export type GuardToken = {
  readonly token: string;
  readonly logprob: number;
  readonly top: readonly { readonly token: string; readonly logprob: number }[];
};
export type GuardAnswer = {
  readonly text: string;
  readonly tokens: readonly GuardToken[];
};
export type Verdict = { readonly flagged: boolean; readonly scores: Scores };

export type GuardFamily = {
  readonly name: string;
  /** What the family answers, in words for an error. */
  readonly expected: string;
  readonly answerTokens: number;
  readonly questions: (text: string) => readonly GuardQuestion[];
  readonly read: (answers: readonly GuardAnswer[]) => Verdict | null;
};

/** A question that every family's template can print; it is rendered, not answered. */
export const PROBE: GuardQuestion = {
  text: 'x',
  values: { guideline: 'x', guardian_config: { risk_name: 'harm', criteria_id: 'harm' } },
};

/** By the prompt that the template makes of the probe. Null: no family that is known here. */
export function guardFamily(prompt: string): GuardFamily | null {
  if (prompt.includes('Safety: Controversial')) return QWEN;
  if (/<BEGIN UNSAFE CONTENT CATEGORIES>/.test(prompt) && /'safe' or 'unsafe'/.test(prompt))
    return llama(policiesIn(prompt));
  if (/policy expert trying to help/.test(prompt)) return SHIELD;
  if (/(safety|judge) agent/.test(prompt) && /risk definition|criteria/i.test(prompt))
    return GRANITE;
  return null;
}

export const FAMILIES = 'Llama Guard, Qwen3Guard-Gen, ShieldGemma and Granite Guardian 3';

const named = (categories: readonly Category[], score: number): Scores => {
  const scores = CATEGORIES.map((category) => [
    category,
    categories.includes(category) ? score : 0,
  ]);
  return withParents(Object.fromEntries(scores) as Scores);
};

/** Words of a policy's name → categories; the first that fits. `[]`: a policy without a category here. */
type Meanings = readonly (readonly [words: RegExp, ...categories: Category[]])[];

const meaningOf = (name: string, meanings: Meanings): Category[] => {
  const [, ...categories] = meanings.find(([words]) => words.test(name)) ?? [/^/];
  return categories;
};

const LLAMA_POLICIES: Meanings = [
  [/non-?violent/i, 'illicit'],
  [/violence and hate/i, 'violence', 'hate'],
  [/violent crimes/i, 'violence', 'illicit/violent'],
  [/child/i, 'sexual/minors'],
  [/sex(-related)? crimes/i, 'sexual', 'illicit'],
  [/defamation/i, 'harassment'],
  [/weapons/i, 'illicit/violent'],
  [/hate/i, 'hate'],
  [/self[- ]harm/i, 'self-harm'],
  [/sexual content/i, 'sexual'],
  [/criminal planning|controlled substances|code interpreter/i, 'illicit'],
];

/** The versions number their policies differently, so the prompt is asked what each code stands for. */
const policiesIn = (prompt: string) =>
  new Map(
    [...prompt.matchAll(/^\s*([SO]\d{1,2}): ?(.+)$/gm)].map(([, code, name]) => [code!, name!]),
  );

/** Llama Guard 1 to 4: `safe`, or `unsafe` and codes. */
const llama = (policies: ReadonlyMap<string, string>): GuardFamily => ({
  name: 'Llama Guard',
  expected: "'safe', or 'unsafe' and codes such as 'S1,S10'",
  answerTokens: 32, // "unsafe", a line break and a dozen codes
  questions: (text) => [{ text, values: {} }],
  read: ([answer]) => {
    const { text, tokens } = answer!;
    const found = /^\s*(safe|unsafe)(?!\w)[\s:]*((?:[SO]\d{1,2}(?:[\s,]+|$))*)/i.exec(text);
    if (found === null) return null;
    if (found[1]!.toLowerCase() === 'safe') return { flagged: false, scores: named([], 0) };
    const codes = found[2]!.toUpperCase().match(/[SO]\d+/g) ?? [];
    const categories = codes.flatMap((code) => meaningOf(policies.get(code) ?? '', LLAMA_POLICIES));
    return { flagged: true, scores: named(categories, certainty(tokens)) };
  },
});

const QWEN_POLICIES: Meanings = [
  [/non-violent/i, 'illicit'],
  [/violent/i, 'violence', 'illicit/violent'],
  [/sexual/i, 'sexual'],
  [/self-harm/i, 'self-harm'],
  [/unethical/i, 'harassment', 'hate'],
];
/** What a model calls controversial is below the threshold, and still told apart from what is safe. */
const CONTROVERSIAL = 0.4;

/** `Safety: Unsafe`, and on the next line `Categories: Violent, …`. */
const QWEN: GuardFamily = {
  name: 'Qwen3Guard-Gen',
  expected: "'Safety: Safe', 'Unsafe' or 'Controversial' and a line 'Categories: …'",
  answerTokens: 64,
  questions: (text) => [{ text, values: {} }],
  read: ([answer]) => {
    const { text, tokens } = answer!;
    const found = /Safety: *(Safe|Unsafe|Controversial)\b(?:\s*Categories: *(.*))?/i.exec(text);
    if (found === null) return null;
    const level = found[1]!.toLowerCase();
    const categories = (found[2] ?? '')
      .split(',')
      .flatMap((name) => meaningOf(name, QWEN_POLICIES));
    const score = level === 'unsafe' ? certainty(tokens) : CONTROVERSIAL;
    return {
      flagged: level === 'unsafe',
      scores: named(level === 'safe' ? [] : categories, score),
    };
  },
};

/** One question a policy; each is answered by yes or no. */
type Policies = readonly {
  readonly values: GuardQuestion['values'];
  readonly categories: readonly Category[];
}[];

const shield = (name: string, what: string, ...categories: Category[]) => ({
  values: {
    guideline: `"${name}": The prompt shall not contain or seek generation of ${what}.`,
  },
  categories,
});
// The four policies that the model was made for; their wording follows its card.
const SHIELD_POLICIES: Policies = [
  shield(
    'No Dangerous Content',
    'content that harms oneself or others (for example access to or making of firearms and explosive devices, promotion of terrorism, instructions for suicide)',
    'illicit/violent',
  ),
  shield(
    'No Harassment',
    'content that is malicious, intimidating, bullying or abusive towards another person (for example physical threats, denial of tragic events, disparaging victims of violence)',
    'harassment',
  ),
  shield(
    'No Hate Speech',
    'content that targets identity or protected attributes (for example racial slurs, promotion of discrimination, calls to violence against protected groups)',
    'hate',
  ),
  shield(
    'No Sexually Explicit Information',
    'content that refers to sexual acts or is otherwise lewd (for example graphic descriptions of sex, content meant to arouse)',
    'sexual',
  ),
];

const granite = (risk: string, ...categories: Category[]) => ({
  // 3.0 to 3.2 read the first, 3.3 the second.
  values: { guardian_config: { risk_name: risk, criteria_id: risk }, think: false },
  categories,
});
const GRANITE_RISKS: Policies = [
  granite('harm'),
  granite('social_bias', 'hate'),
  granite('violence', 'violence'),
  granite('sexual_content', 'sexual'),
  granite('unethical_behavior', 'illicit'),
];

const yesOrNo = (
  head: Pick<GuardFamily, 'name' | 'expected' | 'answerTokens'>,
  policies: Policies,
): GuardFamily => ({
  ...head,
  questions: (text) => policies.map(({ values }) => ({ text, values })),
  read: (answers) => {
    const chances = answers.map(chanceOfYes);
    if (chances.some((chance) => chance === null)) return null;
    const all = Object.fromEntries(CATEGORIES.map((category) => [category, 0]));
    for (const [i, { categories }] of policies.entries())
      for (const category of categories) all[category] = Math.max(all[category]!, chances[i]!);
    return {
      flagged: chances.some((chance) => chance! >= 0.5),
      scores: withParents(all as Scores),
    };
  },
});

const SHIELD = yesOrNo(
  { name: 'ShieldGemma', expected: "'Yes' or 'No'", answerTokens: 4 },
  SHIELD_POLICIES,
);
const GRANITE = yesOrNo(
  {
    name: 'Granite Guardian 3',
    expected: "'Yes' or 'No', or '<score> yes </score>'",
    answerTokens: 24,
  },
  GRANITE_RISKS,
);

/** Yes against no, in the place where the answer says one of them. */
function chanceOfYes({ text, tokens }: GuardAnswer): number | null {
  const found = /^(?:\s*<think>[\s\S]*?<\/think>)?\s*(?:<score>\s*)?(yes|no)\b/i.exec(text);
  if (found === null) return null;
  const word = found[1]!.toLowerCase();
  const said = tokens.find(({ token }) => plain(token) === word);
  if (said === undefined) return word === 'yes' ? 1 : 0; // in several tokens
  const mass = (wanted: string) =>
    [said, ...said.top.filter(({ token }) => token !== said.token)]
      .filter(({ token }) => plain(token) === wanted)
      .reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
  const [yes, no] = [mass('yes'), mass('no')];
  return yes / (yes + no);
}

const plain = (token: string) => token.trim().toLowerCase();

/** The probability of the line that holds the verdict. What is named is named, however unsure the model was. */
function certainty(tokens: readonly GuardToken[]): number {
  let sum = 0;
  let begun = false;
  for (const { token, logprob } of tokens) {
    if (begun && /^\s*\n/.test(token)) break;
    begun ||= /\S/.test(token);
    sum += logprob;
  }
  return Math.max(0.5, Math.exp(sum));
}
