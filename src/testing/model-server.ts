// A whole server without a port, with the bundled tiny model behind it, and the official client to ask it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { openServer } from '../server/start.ts';

export const TINY = 'stories260k';

export async function startModelServer(modelsDirs: readonly string[] = ['assets/models']) {
  const directory = await mkdtemp(join(tmpdir(), 'tunery-model-server-'));
  const server = await openServer({ dataDir: join(directory, 'data'), modelsDirs, env: {} });
  const send = async (path: string, init?: RequestInit) =>
    server.fetch(new Request(`http://tunery.test/v1${path}`, init));
  const baseURL = 'http://tunery.test/v1';
  const fetch = async (url: string | URL | Request, init?: RequestInit) =>
    server.fetch(new Request(url, init));
  return {
    client: new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0, fetch }),
    fetch,
    baseURL,
    /** The bare answer to a JSON body. */
    post: (path: string, body: unknown) =>
      send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    close: async () => {
      await server.stop();
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
