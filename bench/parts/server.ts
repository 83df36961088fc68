// A server of its own for a benchmark: a child process on a free port with a fresh data directory, and
// the official client to talk to it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import OpenAI, { toFile } from 'openai';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
export const QUICKSTART = fileURLToPath(new URL('../../assets/quickstart/', import.meta.url));

/** The bundled model: for figures that do not depend on one. */
export const TINY = fileURLToPath(new URL('../../assets/models/stories260K.gguf', import.meta.url));

export type BenchServer = {
  readonly openai: OpenAI;
  readonly url: string;
  readonly pid: number;
  /** From the start of the process to the first answered request. */
  readonly startSeconds: number;
  readonly close: () => Promise<void>;
};

/** `model` is a GGUF file; its folder is what the server offers. `keep` starts on a given directory. */
export async function startBenchServer(model: string, keep?: string): Promise<BenchServer> {
  const dataDir = keep ?? mkdtempSync(join(tmpdir(), 'tunery-bench-server-'));
  const started = performance.now();
  const flags = [
    'serve',
    '--port',
    '0',
    '--data-dir',
    dataDir,
    '--models-dir',
    dirname(model),
    '--json',
  ];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TUNERY_MODELS: '' },
  });
  const { url } = await firstLine(child);
  const openai = new OpenAI({ baseURL: url, apiKey: 'none' });
  await openai.models.list();
  const startSeconds = (performance.now() - started) / 1000;
  const close = async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
    if (!keep) rmSync(dataDir, { recursive: true, force: true });
  };
  return { openai, url, pid: child.pid!, startSeconds, close };
}

async function firstLine(child: ChildProcess): Promise<{ url: string }> {
  for await (const line of createInterface({ input: child.stdout! })) return JSON.parse(line);
  throw new Error('the server ended before it gave its address');
}

/** The base model that the server offers first. */
export async function baseModel({ openai }: BenchServer): Promise<string> {
  for await (const { id } of await openai.models.list()) return id;
  throw new Error('the server offers no model');
}

export type Job = OpenAI.FineTuning.FineTuningJob & { tunery: Record<string, unknown> };

/** A job on the rows of the quickstart, of which the last `heldOut` are for validation; resolves when it
 *  exists. */
export async function createJob(
  server: BenchServer,
  n_epochs: number,
  heldOut = 10,
): Promise<string> {
  const { openai } = server;
  const rows = ['train.jsonl', 'valid.jsonl'].flatMap((name) =>
    readFileSync(join(QUICKSTART, name), 'utf8').trimEnd().split('\n'),
  );
  const upload = async (name: string, part: string[]) =>
    openai.files.create({
      purpose: 'fine-tune',
      file: await toFile(Buffer.from(`${part.join('\n')}\n`), name),
    });
  const training = await upload('train.jsonl', rows.slice(0, -heldOut));
  const validation = await upload('valid.jsonl', rows.slice(-heldOut));
  const job = await openai.fineTuning.jobs.create({
    model: await baseModel(server),
    training_file: training.id,
    validation_file: validation.id,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs, batch_size: 8 } } },
    seed: 1,
  });
  return job.id;
}

/** Polls, since a stream of its own would be one more thing to time. */
export async function waitFor(server: BenchServer, id: string, done: (job: Job) => boolean) {
  for (;;) {
    const job = (await server.openai.fineTuning.jobs.retrieve(id)) as Job;
    if (done(job)) return job;
    if (job.status === 'failed') throw new Error(`the job failed: ${job.error?.message}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
