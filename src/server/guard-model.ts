// Asks a guard model (Llama Guard and its kin) whether a text is safe. Its chat template holds the policy;
// it answers `safe`, or `unsafe` and the codes of what was violated. docs/reference/moderation.md has the
// table. What cannot be read is an error: a guess would be taken for a judgement.
import { CodedError } from '../lib/coded-error.ts';
import { CATEGORIES, type Category, type Scores } from '../moderate/categories.ts';
import type { Deps } from './deps.ts';
import { type Choice, gather, generate } from './generate.ts';

export type Verdict = { readonly flagged: boolean; readonly scores: Scores };

const ANSWER_TOKENS = 32; // "unsafe", a line break and a dozen codes

export async function askGuard(
  name: string,
  text: string,
  deps: Deps,
  signal: AbortSignal,
): Promise<Verdict> {
  const model = await deps.jobs.resolve(name);
  if (model === null)
    throw new CodedError(
      'moderation_model_missing',
      `The guard model '${name}' of TUNERY_MODERATION_MODEL does not exist here. Put it into the models folder, or leave the variable out.`,
      { status: 500 },
    );
  const request = {
    prompt: { kind: 'chat' as const, messages: [{ role: 'user', content: text }] },
    maxTokens: ANSWER_TOKENS,
    temperature: 0,
    topP: 1,
    seed: 0,
    stop: [],
    logprobs: 0,
  };
  const [choice] = await gather(generate(model, [request], signal, deps), 1);
  return verdictOf(choice!, name);
}

function verdictOf({ text, logprobs }: Choice, name: string): Verdict {
  const answer = /^\s*(safe|unsafe)(?!\w)[\s:]*((?:S\d{1,2}(?:[\s,]+|$))*)/i.exec(text);
  if (answer === null) throw unreadable(name, text);
  const flagged = answer[1]!.toLowerCase() === 'unsafe';
  const codes = flagged ? (answer[2]!.toUpperCase().match(/S\d+/g) ?? []) : [];
  const found = new Set(codes.flatMap((code) => MEANING[code] ?? []));
  for (const category of [...found]) found.add(category.split('/')[0] as Category);
  const first = logprobs.find(({ token }) => token.trim() !== '');
  // Named is named, however unsure the model was.
  const score = Math.max(0.5, Math.exp(first?.logprob ?? 0));
  const scores = CATEGORIES.map((category) => [category, found.has(category) ? score : 0]);
  return { flagged, scores: Object.fromEntries(scores) as Scores };
}

/** Codes of Llama Guard 3; those that are absent have no category in the API. */
const MEANING: Readonly<Record<string, readonly Category[]>> = {
  S1: ['violence', 'illicit/violent'],
  S2: ['illicit'],
  S3: ['sexual', 'illicit'],
  S4: ['sexual/minors'],
  S5: ['harassment'],
  S9: ['illicit/violent'],
  S10: ['hate'],
  S11: ['self-harm'],
  S12: ['sexual'],
  S14: ['illicit'],
};

function unreadable(name: string, text: string): CodedError {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  return new CodedError(
    'moderation_unreadable',
    `The guard model '${name}' answered ${shown}; expected 'safe', or 'unsafe' and codes such as 'S1,S10'. Name a guard model that answers so in TUNERY_MODERATION_MODEL, or leave the variable out.`,
    { status: 500 },
  );
}
