// Imports a Hugging Face folder or GGUF file as a base model: by the server that runs, or without one by the same
// child process, straight into the data directory.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { WorkerMessage } from '../jobs/protocol.ts';
import { Child, describeExit, entryBeside } from '../lib/child.ts';
import { retell } from '../messages/retell.ts';
import type { Cli } from './cli.ts';
import type { Client } from './client.ts';
import { Failure } from './failure.ts';
import { note } from './output.ts';
import { defaultDataDir, modelsIn } from './places.ts';
import { isFile } from './pull.ts';

/** Returns the model's name. Where nobody answers it goes into the default data directory. */
export async function importThroughServer(cli: Cli, client: Client, folder: string) {
  try {
    const body = { source: resolve(folder) };
    return (await client.own('/models/import', body, z.looseObject({ id: z.string() }))).id;
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'unreachable') throw error;
    const dataDir = defaultDataDir(cli.env);
    note(cli, cli.say('import.local', { path: modelsIn(dataDir) }));
    return importHere(cli, folder, dataDir);
  }
}

export async function importHere(cli: Cli, folder: string, dataDir: string): Promise<string> {
  const name = basename(resolve(folder), '.gguf').toLowerCase();
  const output = join(modelsIn(dataDir), `${name}.gguf`);
  if (await isFile(output)) throw new Failure(cli.say('import.exists', { path: output }));
  await mkdir(modelsIn(dataDir), { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'tunery-import-'));
  try {
    const request = join(scratch, 'request.json');
    await writeFile(request, JSON.stringify({ source: resolve(folder), output }));
    await runWorker(cli, request);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return name;
}

async function runWorker({ say, signal }: Cli, request: string): Promise<void> {
  const child = new Child<never, WorkerMessage>(entryBeside(import.meta.url, '../jobs/worker'), {
    args: ['import-model', request],
    parse: (raw) => WorkerMessage.parse(raw),
  });
  const kill = () => child.kill();
  signal.addEventListener('abort', kill, { once: true });
  let last: WorkerMessage | null = null;
  child.onMessage((message) => {
    last = message;
  });
  const exit = await child.exited;
  signal.removeEventListener('abort', kill);
  signal.throwIfAborted();
  const message = last as WorkerMessage | null; // set by the listener, which TypeScript cannot see
  if (message?.type === 'done') return;
  const { code, message: text } =
    message?.type === 'fail' ? message : { code: 'crashed', message: describeExit(exit) };
  throw new Failure(say('import.failed', { code, message: retell(text, say) }), { code });
}
