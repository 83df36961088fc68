// Rows about a topic that a model invents: one question a row, each about one of the aspects, in the form of
// an example. What is no row, or was there before, is asked again with another seed.
import { CodedError } from '../../lib/coded-error.ts';
import { readSample, ShapeError } from '../convert/read.ts';
import { type Sample, shapeOf } from '../convert/shapes.ts';
import {
  conversation,
  TARGETS,
  type Target,
  WRITE_DEFAULTS,
  writeSample,
} from '../convert/write.ts';
import { sha256Of } from '../source/manifest.ts';
import {
  type Answer,
  type Asking,
  type AskSettings,
  askAll,
  planOf,
  type Question,
  type Told,
  unused,
} from './ask.ts';
import { type Made, writeMade } from './made-rows.ts';
import {
  endsInside,
  listFormat,
  objectsIn,
  saysSomething,
  wholeSentences,
  withoutThoughts,
} from './question-rows.ts';
import { rowsIn } from './rows-in.ts';

export type GenerateRequest = {
  readonly topic: string;
  /** Taken in turn; empty: the topic alone. */
  readonly aspects: readonly string[];
  readonly count: number;
  /** A file whose first row shows the form; null: chat. */
  readonly like: { readonly path: string; readonly name: string } | null;
  /** Null: as many as the example has, else one. */
  readonly turns: number | null;
  /** Null: that of the topic. */
  readonly questionLanguage: string | null;
  /** Null: that of the example. */
  readonly system: string | null;
  readonly inline: boolean;
  readonly output: string;
  readonly dryRun: boolean;
  readonly settings: AskSettings;
};

export type Generated = Made & {
  readonly object: 'tunery.generation';
  readonly wanted: number;
  readonly asked: number;
};

const ROUNDS = 5;
const TOKENS_OF_A_TURN = 100; // a guess, for the plan

type Turn = { readonly user: string; readonly assistant: string };

/** Null: it was only to say what it would take. */
export async function generate(
  request: GenerateRequest,
  asking: Asking,
): Promise<Generated | null> {
  const { topic, aspects, count, like, settings } = request;
  const form = await formOf(request, asking);
  const question = (number: number, round: number): Question => ({
    ...promptOf(request, form, number),
    turn: number + round * count,
  });
  const numbers = Array.from({ length: count }, (_, i) => i);
  asking.onPlan(
    planOf(
      numbers.map((number) => question(number, 0)),
      Math.min(settings.maxTokens, form.turns * TOKENS_OF_A_TURN),
      [],
    ),
  );
  if (request.dryRun) return null;

  const rows = new Map<number, object>();
  const known = new Set<string>();
  const rejected: object[] = [];
  let asked = 0;
  let told: Told = { done: 0, of: 0, remembered: 0, promptTokens: 0, completionTokens: 0 };
  for (let round = 0; round < ROUNDS && rows.size < count; round++) {
    const missing = numbers.filter((number) => !rows.has(number));
    const before = told;
    asked += missing.length;
    const ask = askAll(
      missing.map((number) => question(number, round)),
      settings,
      {
        ask: asking.ask,
        onTold: (now) => {
          told = sum(before, now);
          asking.onTold(told);
        },
      },
    );
    const result = await ask.catch((error: unknown) => {
      // What was refused once may be refused again; the rows of the rounds before stay.
      if (round > 0 && error instanceof CodedError && error.code === 'question_refused')
        return null;
      throw error;
    });
    if (result === null) break;
    for (const [i, number] of missing.entries()) {
      const answer = result.answers[i]!;
      const row = rowOf(answer, form);
      const text = JSON.stringify(row);
      if (row !== null && !known.has(text)) {
        rows.set(number, row);
        known.add(text);
      } else
        rejected.push({
          number: number + 1,
          ...unused(answer),
          ...(row !== null && { reason: 'there already' }),
        });
    }
  }
  const made = await writeMade(request, {
    rows: numbers
      .filter((number) => rows.has(number))
      .map((number) => ({
        row: rows.get(number)!,
        source: { topic, aspect: aspectOf(aspects, number), number: number + 1 },
      })),
    rejected,
    step: {
      do: 'generate',
      topic,
      aspects,
      count,
      turns: form.turns,
      language: request.questionLanguage,
      system: request.system,
      inline: request.inline,
    },
    inputs: like === null ? [] : [{ path: like.path, sha256: await sha256Of(like.path), rows: 1 }],
    told,
    inline: request.inline,
  });
  return { object: 'tunery.generation', ...made, wanted: count, asked };
}

const sum = (a: Told, b: Told): Told => ({
  done: a.done + b.done,
  of: a.done + b.of,
  remembered: a.remembered + b.remembered,
  promptTokens: a.promptTokens + b.promptTokens,
  completionTokens: a.completionTokens + b.completionTokens,
});

type Form = {
  readonly target: Target;
  readonly separator: string;
  readonly turns: number;
  readonly system: string | null;
  /** Shown to the model; null: there is no example. */
  readonly example: readonly Turn[] | null;
};

async function formOf({ like, turns, system }: GenerateRequest, { say }: Asking): Promise<Form> {
  const plain = {
    target: 'chat',
    separator: '',
    turns: turns ?? 1,
    system,
    example: null,
  } as const;
  if (like === null) return plain;
  const refuse = () =>
    new CodedError('invalid_example', say('generate.no_form', { name: like.name }), {
      param: 'like',
    });
  const { items } = await rowsIn(like, say, (row) => ({ row }));
  const row = items[0]?.row;
  const shape = shapeOf(row);
  const target = TARGETS.find((known) => known === shape);
  if (shape === null || target === undefined || !FORMS.includes(target)) throw refuse();
  const sample = sampleOf(row);
  const separator = sample?.kind === 'completion' ? endOf(sample.prompt) : '';
  const chat = sample && conversation(sample, { ...WRITE_DEFAULTS, separator });
  if (!chat) throw refuse();
  const example: Turn[] = [];
  let user: string | null = null;
  let head: string | null = null;
  for (const { role, content } of chat.value.messages) {
    if (typeof content !== 'string') throw refuse();
    if (role === 'user') user = content;
    else if (role === 'assistant' && user !== null) example.push({ user, assistant: content });
    else if (role === 'system' || role === 'developer') head ??= content;
    else throw refuse();
  }
  if (example.length === 0) throw refuse();
  return { target, separator, turns: turns ?? example.length, system: system ?? head, example };
}

const FORMS: readonly Target[] = ['chat', 'completion', 'alpaca', 'sharegpt', 'qa'];

function sampleOf(row: unknown): Sample | null {
  try {
    return readSample(shapeOf(row)!, row).sample;
  } catch (error) {
    if (error instanceof ShapeError) return null;
    throw error;
  }
}

/** What separates a prompt from its completion: the end of the prompt that is no word. */
const endOf = (prompt: string) =>
  /(?:\n\n###\n\n|\n\n===\n\n| ->|\n###| >>>|\n+)$/.exec(prompt)?.[0] ?? '';

const aspectOf = (aspects: readonly string[], number: number) =>
  aspects.length === 0 ? null : aspects[number % aspects.length]!;

function promptOf(
  { topic, aspects, count, questionLanguage }: GenerateRequest,
  { turns, example }: Form,
  number: number,
): Question {
  const aspect = aspectOf(aspects, number);
  const what = turns === 1 ? 'one question and its answer' : `one conversation of ${turns} turns`;
  const lines = [
    `Write ${what} about: ${topic}${aspect === null ? '' : `, in particular: ${aspect}`}.`,
    `Write in ${questionLanguage ?? 'the language of the topic'}.`,
    `It is number ${number + 1} of ${count}; make it different from the others in person, situation and words.`,
    ...(example === null
      ? []
      : [`Keep to the manner of this example:\n${JSON.stringify({ turns: example })}`]),
    'Reply with JSON only: {"turns": [{"user": "…", "assistant": "…"}]}',
  ];
  return {
    messages: [
      { role: 'system', content: 'You write training data for an assistant.' },
      { role: 'user', content: lines.join('\n') },
    ],
    format: listFormat('turns', ['user', 'assistant'], turns),
  };
}

function rowOf(answer: Answer, { target, separator, system }: Form): object | null {
  if ('refused' in answer) return null;
  const turns = objectsIn(withoutThoughts(answer.text)).flatMap(asTurn);
  if (answer.cut && endsInside(answer.text)) {
    const last = turns.pop();
    const assistant = wholeSentences(last?.assistant ?? '');
    if (last !== undefined && assistant !== '') turns.push({ ...last, assistant });
  }
  if (turns.length === 0) return null;
  const messages = turns.flatMap(({ user, assistant }) => [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ]);
  const options = { ...WRITE_DEFAULTS, system, separator };
  return writeSample(target, { kind: 'chat', value: { messages } }, options).row;
}

function asTurn(item: object): Turn[] {
  const { user, assistant } = item as Record<string, unknown>;
  if (typeof user !== 'string' || typeof assistant !== 'string') return [];
  const turn = { user: user.trim(), assistant: assistant.trim() };
  return saysSomething(turn.user) && saysSomething(turn.assistant) ? [turn] : [];
}
