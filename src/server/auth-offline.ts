// Key management without a server: the same routes, over a data directory that no server has open.
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { systemClock } from '../lib/clock.ts';
import { openStore } from '../store/store.ts';
import { createKeyring } from './auth-keys.ts';
import { defaultConfig } from './config.ts';
import { toWire } from './errors.ts';
import { keys } from './routes/keys.ts';

export type OfflineKeys = {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly close: () => Promise<void>;
};

/** Throws CodedError `data_directory_in_use` while a server runs there. */
export async function openKeys(dataDir: string): Promise<OfflineKeys> {
  const store = await openStore(dataDir);
  const ring = createKeyring(store.database, systemClock);
  const app = new Hono();
  app.route('/tunery/v1/keys', keys({ keys: ring, config: defaultConfig, clock: systemClock }));
  app.onError((error, c) => {
    const { status, body } = toWire(error);
    if (status >= 500) throw error; // there is no log that could tell
    return c.json(body, status as ContentfulStatusCode);
  });
  return { fetch: async (url, init) => await app.request(url, init), close: store.close };
}
