// Puts many questions to a model, a few at a time, and remembers every answer on disk, so that what was
// interrupted goes on where it stopped and nothing is paid for twice.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { CodedError } from '../../lib/coded-error.ts';
import { WriteError } from '../../lib/new-files.ts';
import type { Say } from '../../messages/say.ts';
import { cl100k } from '../../tokenizer/cl100k.ts';

export type Message = { readonly role: string; readonly content: string };

/** A request to /chat/completions. */
export type ChatBody = {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly max_tokens?: number;
  readonly max_completion_tokens?: number;
  readonly temperature: number;
  readonly seed?: number;
  readonly response_format?: object;
};
export type Asked = {
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** It reached `max_tokens`. */
  readonly cut: boolean;
};
/** Throws CodedError; one with the code `question_refused` speaks of this question alone. */
export type AskModel = (body: ChatBody) => Promise<Asked>;

export type Question = {
  readonly messages: readonly Message[];
  /** What the answer must parse as, where the endpoint can promise that. */
  readonly format?: object;
  /** Added to the seed, where the same is asked several times. */
  readonly turn?: number;
};
export type Answer = Asked | { readonly refused: string };

/** What is kept of an answer that made no row. */
export const unused = (answer: Answer) =>
  'refused' in answer
    ? { reason: answer.refused }
    : { reply: answer.text, ...(answer.cut ? { reason: 'cut off at max_tokens' } : {}) };

export type AskSettings = {
  readonly model: string;
  /** Whose model it is; answers of another endpoint are not taken for its own. */
  readonly endpoint: string;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly seed: number | null;
  readonly parallel: number;
  /** A JSONL file, one answer a line. */
  readonly memory: string;
};

/** What is asked, and what is told of it meanwhile. */
export type Asking = {
  readonly ask: AskModel;
  readonly onPlan: (plan: Plan) => void;
  readonly onTold: (told: Told) => void;
  readonly say: Say;
};

export type Plan = {
  readonly questions: number;
  /** Counted with cl100k_base; a model's own tokenizer differs. */
  readonly prompt_tokens: number;
  /** A guess. */
  readonly completion_tokens: number;
  readonly files: readonly {
    readonly file: string;
    readonly license: string | null;
    readonly notes: readonly string[];
  }[];
};

export type Told = {
  readonly done: number;
  readonly of: number;
  /** Answered by an earlier run. */
  readonly remembered: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
};

/** When this many questions were refused and none was answered, the rest will be refused too. */
const HOPELESS = 5;

/** Answers in the order of the questions. On an error, what is under way is waited for and remembered. */
export async function askAll(
  questions: readonly Question[],
  settings: AskSettings,
  { ask, onTold }: Pick<Asking, 'ask' | 'onTold'>,
): Promise<{ readonly answers: readonly Answer[]; readonly told: Told }> {
  const memory = await openMemory(settings.memory);
  const model = new Adapting(ask);
  const answers: Answer[] = [];
  const told = {
    done: 0,
    of: questions.length,
    remembered: 0,
    promptTokens: 0,
    completionTokens: 0,
  };
  const take = (i: number, answer: Answer) => {
    answers[i] = answer;
    told.done += 1;
    if (!('refused' in answer)) {
      told.promptTokens += answer.promptTokens;
      told.completionTokens += answer.completionTokens;
    }
    onTold({ ...told });
  };
  let next = 0;
  let refused = 0;
  let stopped = false;
  const worker = async () => {
    while (next < questions.length && !stopped) {
      const i = next++;
      const question = questions[i]!;
      const key = keyOf(question, settings);
      const before = memory.known.get(key);
      if (before !== undefined) {
        told.remembered += 1;
        take(i, before);
        continue;
      }
      try {
        const answer = await model.ask(question, settings);
        await memory.add(key, answer);
        take(i, answer);
      } catch (error) {
        if (isRefusal(error)) {
          refused += 1;
          if (refused < HOPELESS || refused <= told.done) {
            take(i, { refused: error.message });
            if (refused < questions.length) continue;
          }
        }
        stopped = true;
        throw error;
      }
    }
  };
  try {
    const ends = await Promise.allSettled(Array.from({ length: settings.parallel }, worker));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return { answers, told };
  } finally {
    await memory.close();
  }
}

export const planOf = (
  questions: readonly Question[],
  tokensOfAnswer: number,
  files: Plan['files'],
): Plan => ({
  questions: questions.length,
  prompt_tokens: questions
    .flatMap(({ messages }) => messages)
    .reduce((sum, { content }) => sum + cl100k().count(content), 0),
  completion_tokens: questions.length * tokensOfAnswer,
  files,
});

const isRefusal = (error: unknown): error is CodedError =>
  error instanceof CodedError && error.code === 'question_refused';

/** Asks in the words that the endpoint understands: JSON by a schema and `max_tokens` until it says that it
 *  knows no such thing, and no longer answers than its context has room for. */
class Adapting {
  #format = true;
  #older = true;
  readonly #ask: AskModel;
  constructor(ask: AskModel) {
    this.#ask = ask;
  }

  async ask(question: Question, settings: AskSettings): Promise<Asked> {
    let { maxTokens } = settings;
    for (;;) {
      try {
        return await this.#ask(this.#body(question, { ...settings, maxTokens }));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        const room = roomIn(error.message);
        if (this.#format && question.format && SCHEMA.test(error.message)) this.#format = false;
        else if (this.#older && /max_completion_tokens/.test(error.message)) this.#older = false;
        else if (room !== null && room >= SHORTEST && room < maxTokens) maxTokens = room;
        else throw error;
      }
    }
  }

  #body(
    { messages, format, turn = 0 }: Question,
    { model, maxTokens, temperature, seed }: AskSettings,
  ): ChatBody {
    return {
      model,
      messages,
      ...(this.#older ? { max_tokens: maxTokens } : { max_completion_tokens: maxTokens }),
      temperature,
      ...(seed === null ? {} : { seed: seed + turn }),
      ...(format !== undefined && this.#format && { response_format: format }),
    };
  }
}

const SCHEMA = /response_format|json_schema|schema/i;
const SHORTEST = 16; // tokens of an answer that is worth asking for

/** What OpenAI, vLLM and Tunery say of a context that is too small for prompt and answer together. */
function roomIn(message: string): number | null {
  const found = /maximum context length is (\d+) tokens.*?\((\d+) in the (?:messages|prompt)/s.exec(
    message,
  );
  return found === null ? null : Number(found[1]) - Number(found[2]);
}

/** What decides an answer; how many are asked at a time does not. */
const keyOf = (
  { messages, turn = 0 }: Question,
  { endpoint, model, maxTokens, temperature, seed }: AskSettings,
) =>
  createHash('sha256')
    .update(JSON.stringify([endpoint, model, messages, maxTokens, temperature, seed, turn]))
    .digest('hex');

async function openMemory(path: string) {
  const file = await open(path, 'a+').catch((error: unknown) => {
    throw new WriteError(path, error);
  });
  try {
    const known = await remembered(file);
    let last: Promise<unknown> = Promise.resolve(); // one write at a time, so that lines stay whole
    return {
      known,
      add: (key: string, answer: Asked) => {
        const write = last.then(async () => {
          await append(file, `${JSON.stringify({ key, ...answer })}\n`).catch((error: unknown) => {
            throw new WriteError(path, error);
          });
        });
        last = write.catch(() => {}); // the caller sees the failure
        return write;
      },
      close: async () => {
        await last;
        const { size } = await file.stat();
        await file.close();
        if (size === 0) await rm(path, { force: true });
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function append(file: FileHandle, line: string): Promise<void> {
  await file.appendFile(line);
  await file.datasync();
}

/** Whole lines; half a line at the end, left by a crash, is cut off and asked again. */
async function remembered(file: FileHandle): Promise<Map<string, Asked>> {
  const known = new Map<string, Asked>();
  const bytes = await file.readFile();
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) await file.truncate(end);
  for (const line of bytes.subarray(0, end).toString('utf8').split('\n')) {
    if (line === '') continue;
    const { key, ...answer } = JSON.parse(line) as Asked & { key: string };
    known.set(key, answer);
  }
  return known;
}
