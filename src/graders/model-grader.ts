// Graders that ask a model: for a number (score_model) or for one of some labels (label_model).
import { textOf } from './check.ts';
import type { LabelModel, ScoreModel } from './grader.ts';
import { GraderProblem } from './problem.ts';
import { type Facts, fill } from './template.ts';

export type ModelRequest = {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | null;
  /** Null: as many as a grade should need. */
  readonly maxTokens: number | null;
  /** JSON schema of the answer; null: any text. */
  readonly schema: object | null;
};
export type ModelAnswer = {
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly completionTokens: number;
};
/** Throws what it likes; the grade then has `model_grader_server_error`. */
export type AskModel = (request: ModelRequest) => Promise<ModelAnswer>;

/** Greedy unless asked otherwise: the same text should get the same grade. */
export function requestOf(grader: ScoreModel | LabelModel, facts: Facts): ModelRequest {
  const { temperature, top_p, seed, max_completions_tokens } = grader.sampling_params ?? {};
  return {
    model: grader.model,
    messages: promptOf(grader, facts),
    temperature: temperature ?? 0,
    topP: top_p ?? 1,
    seed: seed ?? null,
    maxTokens: max_completions_tokens ?? null,
    schema: null,
  };
}

function promptOf(grader: ScoreModel | LabelModel, facts: Facts): ModelRequest['messages'] {
  const messages = grader.input.map((message) => ({
    role: message.role,
    content: fill(textOf(message), facts),
  }));
  if (grader.type === 'score_model') return messages;
  // The original holds its models to the labels; small ones need to be told.
  const last = messages.at(-1)!; // the schema asks for one
  const labels = `Answer with one of these labels and nothing else: ${grader.labels.join(', ')}`;
  if (last.role !== 'user') return [...messages, { role: 'user', content: labels }];
  return [...messages.slice(0, -1), { role: 'user', content: `${last.content}\n\n${labels}` }];
}

const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/;

/** `{"result": 0.7}` or the first number of the text; kept inside the range. */
export function scoreIn({ range }: ScoreModel, answer: ModelAnswer): number {
  const [low, high] = range ?? [0, 1];
  const result = jsonField(answer.text, ['result', 'score']);
  const found =
    typeof result === 'number' ? String(result) : NUMBER.exec(String(result ?? answer.text))?.[0];
  const score = Number(found);
  if (found === undefined || !Number.isFinite(score)) throw noGrade('number', answer);
  return Math.min(high, Math.max(low, score));
}

/** Asked freely first: small models choose worse when a grammar holds them to JSON from the start. */
export async function chooseLabel(grader: LabelModel, facts: Facts, ask: AskModel) {
  const request = requestOf(grader, facts);
  const free = labelIn(grader, await ask(request));
  if (free !== null) return free;
  const held = await ask({ ...request, schema: { type: 'string', enum: grader.labels } });
  const label = labelIn(grader, held);
  if (label === null) throw noGrade(`label (${grader.labels.join(', ')})`, held);
  return label;
}

/** `{"result": "good"}`, a label alone, or the only label that the text names. */
function labelIn({ labels }: LabelModel, answer: ModelAnswer): string | null {
  const result = jsonField(answer.text, ['result', 'label']);
  const text = plain(typeof result === 'string' ? result : answer.text);
  const exact = labels.find((label) => plain(label) === text);
  if (exact !== undefined) return exact;
  const named = labels.filter((label) => ` ${text} `.includes(` ${plain(label)} `));
  // Of "good" and "very good" the longer one is meant.
  const meant = named.filter(
    (label) => !named.some((other) => other !== label && plain(other).includes(plain(label))),
  );
  return meant.length === 1 ? meant[0]! : null;
}

const plain = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();

function jsonField(text: string, names: readonly string[]): unknown {
  const object = /\{.*\}/s.exec(text)?.[0];
  if (object === undefined) return undefined;
  try {
    const value: Record<string, unknown> = JSON.parse(object);
    return names.map((name) => value[name]).find((field) => field !== undefined);
  } catch {
    return undefined; // braces in ordinary text
  }
}

const noGrade = (what: string, { text }: ModelAnswer) =>
  new GraderProblem('model_grader_parse_error', `no ${what} in the answer '${text.slice(0, 200)}'`);
