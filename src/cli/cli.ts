// What every command is given: a voice in the reader's language, the streams, the environment and a
// signal that is aborted on the first Ctrl-C. Nothing in cli/ touches `process` past main.ts.
import type { Readable, Writable } from 'node:stream';
import type { Say } from '../messages/say.ts';

export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export type Cli = {
  readonly say: Say;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly signal: AbortSignal;
};

export const DEFAULT_PORT = 8080;
export const DEFAULT_HOST = '127.0.0.1';
export const DEFAULT_BASE_URL = `http://${DEFAULT_HOST}:${DEFAULT_PORT}/v1`;
