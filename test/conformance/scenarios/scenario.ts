// One line of the contract's acceptance checklist: a small check against the running server.
import type OpenAI from 'openai';
import type { Python } from '../../clients/python.ts';
import type { Made } from '../made.ts';
import type { TestServer } from '../server.ts';

export type Client =
  | 'http'
  | 'node-7'
  | 'node-4'
  | 'node-3'
  | 'python-3'
  | 'python-0.28'
  | 'ai-sdk';

export type Context = {
  readonly server: TestServer;
  readonly made: Made;
  /** Ends in `/v1`. */
  readonly base: string;
  readonly client: OpenAI;
  /** The tiny model, and those of TUNERY_MODELS. */
  readonly models: readonly string[];
  /** With the package 0.28.1; null where there is none. */
  readonly python: Python | null;
};

export type Scenario = {
  readonly line: number;
  readonly what: string;
  readonly clients: readonly Client[];
  /** Throws where the server does something else; `Missing` where the check cannot be made here. */
  readonly run: (context: Context) => Promise<void>;
};

export class Missing extends Error {}

export type Wire = { readonly status: number; readonly headers: Headers; readonly json: Answer };
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into, field by field, by assertions
type Answer = any;

/** A request without any client, so that nothing is added to it. */
export async function raw(url: string, init: RequestInit = {}): Promise<Wire> {
  const answer = await fetch(url, init);
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') ?? false;
  return { status: answer.status, headers: answer.headers, json: isJson ? JSON.parse(text) : text };
}

export const post = (url: string, body: object) =>
  raw(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

/** The objects of a stream of server-sent events, and whether it ended with `[DONE]`. */
export async function chunksOf(
  url: string,
  body: object,
): Promise<{ chunks: Answer[]; done: boolean }> {
  const { json, status } = await post(url, { ...body, stream: true });
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(json)}`);
  const lines = String(json)
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length));
  const done = lines.at(-1) === '[DONE]';
  return {
    chunks: lines.filter((line) => line !== '[DONE]').map((line) => JSON.parse(line)),
    done,
  };
}
