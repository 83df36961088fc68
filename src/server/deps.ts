// What the routes are given. Tests hand in parts of their own; start.ts hands in the real ones.
import type { Context } from 'hono';
import type { Jobs, ResolvedModel } from '../jobs/jobs.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { FromHost, SampleRequest } from '../serve/protocol.ts';
import type { Store } from '../store/store.ts';
import type { Config } from './config.ts';

export type Piece = Extract<FromHost, { type: 'piece' }>;
export type End = Extract<FromHost, { type: 'end' }>;

/** Pieces of text, then one `end`. Leaving early or aborting stops the generation. */
export type Sample = (
  model: ResolvedModel,
  request: SampleRequest,
  signal: AbortSignal,
) => AsyncGenerator<Piece | End>;

export type Deps = {
  readonly store: Pick<Store, 'database' | 'blobs' | 'directory'>;
  readonly jobs: Jobs;
  readonly sample: Sample;
  /** The first thing that is wrong with a training file, as a sentence; null: nothing. */
  readonly checkFile: (path: string) => Promise<string | null>;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
};

/** A path parameter as an id. What no id can contain finds nothing and must not reach the database. */
export const idOf = (c: Context, notFound: (id: string) => Error): string => {
  const id = c.req.param('id') ?? '';
  if (id.includes('\0') || !id.isWellFormed()) throw notFound(id.replaceAll('\0', '\u{fffd}'));
  return id;
};
