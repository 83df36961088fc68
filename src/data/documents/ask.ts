// Puts many questions to a model, one after the other or a few at a time, and remembers every answer on
// disk, so that what was interrupted goes on where it stopped and nothing is paid for twice.
import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';

export type Asked = {
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
};
export type AskModel = (
  messages: readonly { readonly role: string; readonly content: string }[],
  signal: AbortSignal,
) => Promise<Asked>;

export type Told = {
  readonly done: number;
  readonly of: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
};

/** Answers in the order of the questions. `memory` is a JSONL file, one answer a line. */
export async function askAll(
  questions: readonly (readonly { readonly role: string; readonly content: string }[])[],
  ask: AskModel,
  {
    memory,
    model,
    parallel,
    signal,
    onProgress,
  }: {
    readonly memory: string;
    readonly model: string;
    readonly parallel: number;
    readonly signal: AbortSignal;
    readonly onProgress: (told: Told) => void;
  },
): Promise<readonly Asked[]> {
  const known = await remembered(memory);
  const answers: (Asked | undefined)[] = [];
  const total = { promptTokens: 0, completionTokens: 0 };
  let done = 0;
  const take = (i: number, answer: Asked) => {
    answers[i] = answer;
    total.promptTokens += answer.promptTokens;
    total.completionTokens += answer.completionTokens;
    done += 1;
    onProgress({ done, of: questions.length, ...total });
  };
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < questions.length && !failed) {
      const i = next++;
      const messages = questions[i]!;
      const key = createHash('sha256')
        .update(JSON.stringify([model, messages]))
        .digest('hex');
      const before = known.get(key);
      if (before !== undefined) {
        take(i, before);
        continue;
      }
      signal.throwIfAborted();
      try {
        const answer = await ask(messages, signal);
        await appendFile(memory, `${JSON.stringify({ key, ...answer })}\n`);
        take(i, answer);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return answers as Asked[];
}

async function remembered(path: string): Promise<Map<string, Asked>> {
  const known = new Map<string, Asked>();
  const text = await readFile(path, 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    try {
      const { key, ...answer } = JSON.parse(line) as Asked & { key: string };
      known.set(key, answer);
    } catch {
      // The last line may be half written, after a crash; it is asked again.
    }
  }
  return known;
}
