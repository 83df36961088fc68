// What the routes are given. Tests hand in parts of their own; start.ts hands in the real ones.
import type { Context } from 'hono';
import type { Batches } from '../batches/batches.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Embedding, HostEvent } from '../serve/client.ts';
import type { EmbedRequest, SampleRequest } from '../serve/protocol.ts';
import type { Store } from '../store/store.ts';
import type { Keyring } from './auth-keys.ts';
import type { Config } from './config.ts';

/** `Hosts.sample`: pieces of text, then one `end`. Leaving early or aborting stops the generation. */
export type Sample = (
  baseModel: string,
  request: Omit<SampleRequest, 'id'>,
  signal: AbortSignal,
) => AsyncGenerator<HostEvent>;

/** `Hosts.embed`: a text as a vector of length 1. */
export type Embed = (
  baseModel: string,
  request: Omit<EmbedRequest, 'id'>,
  signal: AbortSignal,
) => Promise<Embedding>;

export type Deps = {
  readonly store: Pick<Store, 'database' | 'blobs' | 'directory'>;
  readonly jobs: Jobs;
  readonly batches: Batches;
  readonly keys: Keyring;
  readonly sample: Sample;
  readonly embed: Embed;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
};

/** A path parameter as an id. What no id can contain finds nothing and must not reach the database. */
export const idOf = (c: Context, notFound: (id: string) => Error, name = 'id'): string => {
  const id = c.req.param(name) ?? '';
  if (id.includes('\0') || !id.isWellFormed()) throw notFound(id.replaceAll('\0', '\u{fffd}'));
  return id;
};
