// Puts the parts together: data directory, jobs, model hosts, routes, port. The only file that knows
// them all; each part that it opens it closes, in reverse.
import { totalmem } from 'node:os';
import { createBatches } from '../batches/batches.ts';
import { createJobs } from '../jobs/jobs.ts';
import { systemClock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { createLog } from '../lib/log.ts';
import { say } from '../messages/say.ts';
import { Hosts } from '../serve/client.ts';
import { openStore } from '../store/store.ts';
import { createApp } from './app.ts';
import { createKeyring } from './auth-keys.ts';
import { readConfig } from './config.ts';
import { sweep } from './expiry.ts';
import { listen } from './listen.ts';
import { sendTo } from './send-to-self.ts';

export type StartOptions = {
  /** 0: a free one. */
  readonly port: number;
  readonly host?: string;
  readonly dataDir: string;
  /** More folders with model files. */
  readonly modelsDirs?: readonly string[];
  /** The table of other names for models; else `TUNERY_ALIASES` names it. */
  readonly aliasesFile?: string;
  /** Jobs that train at the same time; else `TUNERY_TRAINERS` decides. */
  readonly trainers?: number;
  /** Answer other machines although there is no key yet; else `TUNERY_ALLOW_OPEN` decides. */
  readonly allowOpen?: boolean;
  readonly env?: Readonly<Record<string, string | undefined>>;
};

export type RunningServer = { readonly url: string; readonly close: () => Promise<void> };

/** Resolves when requests are answered. Throws CodedError when the port, the host or the data directory
 *  cannot be had. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { port, host = '127.0.0.1' } = options;
  // The port first: without it nothing on disk is touched. What comes early waits for the parts.
  const opening = Promise.withResolvers<Opened>();
  opening.promise.catch(() => {}); // thrown below
  const listening = await listen(async (request) => (await opening.promise).fetch(request), {
    port,
    host,
  });
  try {
    const opened = await openServer({ ...options, host });
    opening.resolve(opened);
    const close = async () => {
      await Promise.all([listening.close(), opened.stop()]);
      await opened.close();
    };
    return { url: listening.url, close };
  } catch (error) {
    opening.reject(error);
    await listening.close(0);
    throw error;
  }
}

export type Opened = {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Ends jobs and generations, so that open requests end. */
  readonly stop: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** All of the server but the port. */
export async function openServer({
  host = '127.0.0.1',
  dataDir,
  modelsDirs = [],
  aliasesFile,
  trainers,
  allowOpen = false,
  env = process.env,
}: Omit<StartOptions, 'port'>): Promise<Opened> {
  const config = readConfig(env, host);
  const log = createLog(config.logLevel);
  const clock = systemClock;
  const store = await openStore(dataDir);
  try {
    const keys = createKeyring(store.database, clock);
    if (!config.loopbackOnly && !(await keys.required())) {
      if (!allowOpen && !config.allowOpen) throw refusesToBeOpen(host, store.directory);
      log.warn({ host }, 'server.open'); // everybody who reaches it may use it
    }
    const hosts = new Hosts({ memoryBytes: memoryForModels() });
    const jobs = createJobs({
      store,
      clock,
      log,
      score: (base, path, ids) => hosts.score(base, { path, scale: 1 }, ids),
      modelsDirs,
      aliasesFile: aliasesFile ?? config.aliasesFile,
      organization: config.organization,
      trainers: trainers ?? config.trainers,
      wandb: config.wandb,
    });
    const deps = {
      store,
      jobs,
      keys,
      config,
      clock,
      log,
      sample: hosts.sample.bind(hosts),
      embed: hosts.embed.bind(hosts),
    };
    const batches = createBatches({
      store,
      clock,
      log,
      send: sendTo(() => app.fetch),
      parallel: config.batchRequests,
    });
    const app = createApp({ ...deps, batches });
    await jobs.start();
    await batches.start();
    const stopSweep = sweep(deps);
    log.info({ directory: store.directory }, 'server.start');
    return {
      fetch: app.fetch,
      stop: async () => {
        stopSweep();
        await batches.close(); // first: what its requests ask must not look like a failure
        await Promise.all([jobs.close(), hosts.close()]);
      },
      close: () => store.close(),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

// The rest is for the trainer, the database and the user's own programs.
const MODELS_SHARE = 0.5;

function memoryForModels(): number {
  const limit = process.constrainedMemory(); // of a container; 0 or huge without one
  return MODELS_SHARE * (limit > 0 ? Math.min(limit, totalmem()) : totalmem());
}

function refusesToBeOpen(host: string, directory: string): CodedError {
  const quoted = `'${directory.replaceAll("'", "'\\''")}'`;
  return new CodedError('no_key_yet', say('start.no_key', { host, directory: quoted }));
}
