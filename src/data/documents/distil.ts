// A teacher's answers to the questions of a file as chat rows, for a smaller model to learn from. What a row
// answers itself is not used: its questions are asked anew.
import { CodedError } from '../../lib/coded-error.ts';
import { readSample, ShapeError } from '../convert/read.ts';
import { shapeOf } from '../convert/shapes.ts';
import { conversation, WRITE_DEFAULTS } from '../convert/write.ts';
import type { ChatExample } from '../formats/chat.ts';
import { sha256Of } from '../source/manifest.ts';
import type { SourceOptions } from '../source/rows.ts';
import { type Asking, type AskSettings, askAll, type Message, planOf, unused } from './ask.ts';
import { type Made, writeMade } from './made-rows.ts';
import { wholeSentences, withoutThoughts } from './question-rows.ts';
import { rowsIn } from './rows-in.ts';

export type DistilRequest = {
  readonly path: string;
  /** What manifest, plan and provenance call it. */
  readonly name: string;
  readonly output: string;
  /** Put before every conversation that has no system message. */
  readonly system: string | null;
  /** Puts the provenance into the rows too. */
  readonly inline: boolean;
  readonly dryRun: boolean;
  readonly settings: AskSettings;
} & SourceOptions;

export type Distilled = Made & {
  readonly object: 'tunery.distillation';
  readonly asked: number;
  /** Answers that reached `max_tokens` and end with their last whole sentence. */
  readonly shortened: number;
  /** Lines without a question that can be asked. */
  readonly left_out: readonly number[];
};

const TOKENS_OF_AN_ANSWER = 150; // a guess, for the plan

/** Null: it was only to say what it would take. */
export async function distil(request: DistilRequest, asking: Asking): Promise<Distilled | null> {
  const { path, name, sheet, encoding, system, inline, settings } = request;
  const { items, leftOut, notes } = await rowsIn(request, asking.say, (row) => {
    const messages = questionOf(row, system);
    return messages === null ? null : { messages };
  });
  if (items.length === 0)
    throw new CodedError('no_rows', asking.say('distil.no_rows'), { param: 'file' });
  const perAnswer = Math.min(settings.maxTokens, TOKENS_OF_AN_ANSWER);
  asking.onPlan(planOf(items, perAnswer, [{ file: name, license: null, notes }]));
  if (request.dryRun) return null;

  const { answers, told } = await askAll(items, settings, asking);
  const replies = items.map(({ line, messages }, i) => {
    const answer = answers[i]!;
    const said = 'refused' in answer ? '' : withoutThoughts(answer.text).trim();
    const cut = 'cut' in answer && answer.cut;
    return { line, messages, answer, cut, whole: cut ? wholeSentences(said) : said };
  });
  const made = await writeMade(request, {
    rows: replies
      .filter(({ whole }) => whole !== '')
      .map(({ line, messages, whole, cut }) => ({
        row: { messages: [...messages, { role: 'assistant', content: whole }] },
        source: { file: name, from_line: line, ...(cut && { shortened: true }) },
      })),
    rejected: replies
      .filter(({ whole }) => whole === '')
      .map(({ line, messages, answer }) => ({ line, messages, ...unused(answer) })),
    step: { do: 'distil', system, inline, sheet, encoding },
    inputs: [{ path, sha256: await sha256Of(path), rows: items.length, file: name }],
    told,
    inline,
  });
  const shortened = replies.filter(({ cut, whole }) => cut && whole !== '').length;
  const asked = items.length;
  return { object: 'tunery.distillation', ...made, asked, shortened, left_out: leftOut };
}

/** What stands before the last answer, or all of it where none is; null where it is nothing that a user
 *  asks in plain text. */
function questionOf(row: unknown, system: string | null): readonly Message[] | null {
  const example = chatOf(row, system);
  if (example === null || example.tools !== undefined || example.functions !== undefined)
    return null;
  const last = example.messages.findLastIndex(({ role }) => role === 'assistant');
  const before = last === example.messages.length - 1 ? example.messages.slice(0, last) : null;
  const messages: Message[] = [];
  for (const { role, content } of before ?? example.messages) {
    const text = typeof content === 'string' ? content : null;
    if (text === null || !['system', 'developer', 'user', 'assistant'].includes(role)) return null;
    messages.push({ role, content: text });
  }
  const asked = messages.at(-1);
  return asked?.role === 'user' && asked.content.trim() !== '' ? messages : null;
}

function chatOf(row: unknown, system: string | null): ChatExample | null {
  const alone = loneQuestion(row);
  const options = { ...WRITE_DEFAULTS, system };
  const asChat = (text: string) =>
    conversation({ kind: 'chat', value: { messages: [{ role: 'user', content: text }] } }, options);
  if (alone !== null) return asChat(alone)?.value ?? null;
  const shape = shapeOf(row);
  if (shape === null) return null;
  try {
    const { sample } = readSample(shape, row);
    const found = sample.kind === 'text' ? asChat(sample.text) : conversation(sample, options);
    return found?.value ?? null;
  } catch (error) {
    if (error instanceof ShapeError) return null;
    throw error;
  }
}

/** Rows that ask and do not answer are no training rows yet. */
function loneQuestion(row: unknown): string | null {
  if (typeof row === 'string') return row;
  if (typeof row !== 'object' || row === null) return null;
  const texts = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  const [only] = texts;
  if (texts.length !== 1 || only === undefined) return null;
  const [key, value] = only as [string, unknown];
  return typeof value === 'string' && QUESTIONS.includes(key.toLowerCase()) ? value : null;
}

const QUESTIONS = 'prompt question instruction input query text 问题 提问 指令'.split(' ');
