// What is done of a batch: two files to which whole lines are appended and flushed. A server that was
// killed finds in them which requests are answered; half a line at the end is cut off.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { readLines } from '../data/lines.ts';
import type { BatchUsage } from '../store/batches.ts';

export type Kind = 'output' | 'error';
export type OutputLine = {
  readonly id: string;
  readonly custom_id: string;
  readonly response: {
    readonly status_code: number;
    readonly request_id: string;
    readonly body: unknown;
  } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
};

export type Progress = {
  readonly has: (customId: string) => boolean;
  readonly counts: () => { readonly completed: number; readonly failed: number };
  readonly usage: () => BatchUsage;
  /** Resolves when the lines have survived a crash. */
  readonly append: (kind: Kind, lines: readonly OutputLine[]) => Promise<void>;
  readonly close: () => Promise<void>;
};

export const progressFile = (directory: string, kind: Kind) => join(directory, `${kind}.jsonl`);

const LINE_BYTES = 256 * 1024 * 1024; // an answer with many choices is longer than its request

export async function openProgress(directory: string): Promise<Progress> {
  const done = new Set<string>();
  const counts = { output: 0, error: 0 };
  const usage = { input_tokens: 0, output_tokens: 0, cached_tokens: 0, reasoning_tokens: 0 };
  const count = (kind: Kind, line: OutputLine) => {
    done.add(line.custom_id);
    counts[kind] += 1;
    addUsage(usage, line.response?.body);
  };
  const file = async (kind: Kind) => {
    const path = progressFile(directory, kind);
    const handle = await open(path, 'a');
    await handle.truncate(await wholeLines(path, (line) => count(kind, line)));
    return handle;
  };
  const files = { output: await file('output'), error: await file('error') };
  let last: Promise<unknown> = Promise.resolve(); // one write at a time, so that lines stay whole
  return {
    has: (customId) => done.has(customId),
    counts: () => ({ completed: counts.output, failed: counts.error }),
    usage: () => ({ ...usage }),
    append: (kind, lines) => {
      const write = last.then(async () => {
        await files[kind].appendFile(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
        await files[kind].datasync();
        for (const line of lines) count(kind, line);
      });
      last = write.catch(() => {}); // the caller sees the failure
      return write;
    },
    close: async () => {
      await last;
      await Promise.all([files.output.close(), files.error.close()]);
    },
  };
}

/** Reads the lines that are there in full; returns where the last of them ends. */
async function wholeLines(path: string, take: (line: OutputLine) => void): Promise<number> {
  let end = 0;
  for await (const read of readLines(path, LINE_BYTES)) {
    if (read.kind !== 'text' || !read.ended) break;
    try {
      take(JSON.parse(read.text) as OutputLine);
    } catch {
      break;
    }
    end = read.offset + read.bytes + 1;
  }
  return end;
}

type Sums = { -readonly [Key in keyof BatchUsage]: BatchUsage[Key] };

/** Both spellings: of chat, completions and embeddings, and of responses. */
function addUsage(sums: Sums, body: unknown): void {
  const usage = at(body, 'usage');
  sums.input_tokens += number(at(usage, 'prompt_tokens') ?? at(usage, 'input_tokens'));
  sums.output_tokens += number(at(usage, 'completion_tokens') ?? at(usage, 'output_tokens'));
  const inputs = at(usage, 'prompt_tokens_details') ?? at(usage, 'input_tokens_details');
  sums.cached_tokens += number(at(inputs, 'cached_tokens'));
  const outputs = at(usage, 'completion_tokens_details') ?? at(usage, 'output_tokens_details');
  sums.reasoning_tokens += number(at(outputs, 'reasoning_tokens'));
}

const at = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
const number = (value: unknown) => (typeof value === 'number' ? value : 0);
