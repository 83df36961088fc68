// A whole server on the tiny model, in the test's own process, and the rows that its tests train on.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../../src/server/start.ts';

export type TinyServer = {
  /** Ends in `/v1`. */
  readonly base: string;
  readonly directory: string;
  readonly dataDir: string;
  readonly write: (name: string, rows: readonly object[]) => Promise<string>;
  /** Ends the server in order and starts another on the same data, at another address. */
  readonly restart: () => Promise<TinyServer>;
  readonly close: () => Promise<void>;
};

type Options = { readonly trainers?: number };

export const startTinyServer = async (options: Options = {}) =>
  startOn(await mkdtemp(join(tmpdir(), 'tunery-client-')), options);

async function startOn(directory: string, options: Options): Promise<TinyServer> {
  const dataDir = join(directory, 'data');
  const server = await startServer({ port: 0, dataDir, modelsDirs: ['assets/models'], ...options });
  return {
    base: `${server.url}/v1`,
    directory,
    dataDir,
    write: async (name, rows) => {
      const path = join(directory, name);
      await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      return path;
    },
    restart: async () => {
      await server.close();
      return await startOn(directory, options);
    },
    close: async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export const pairs = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    prompt: `Tim saw ${i} things ->`,
    completion: ' red balls in the park. END',
  }));

/** Each label is one token of the tiny model. */
export const labelled = (count: number, labels: readonly string[] = [' a', ' b']) =>
  Array.from({ length: count }, (_, i) => ({
    prompt: `The ${i % labels.length === 0 ? 'happy dog' : 'sad cat'} was here ${i}.\n\n###\n\n`,
    completion: labels[i % labels.length]!,
  }));
