// Speaks HTTP to a server and parses what comes back. Every failure is a Failure that says what
// happened: nobody answers (exit code 3), the server refuses (1), or it is some other program (1).
import { basename } from 'node:path';
import type { z } from 'zod';
import { retell } from '../messages/retell.ts';
import type { Say } from '../messages/say.ts';
import type { Cli } from './cli.ts';
import { Failure, reasonOf, usageError } from './failure.ts';
import { fileToUpload, inReadersLanguage } from './file-to-upload.ts';
import { LARGEST_FILE, uploadInParts } from './upload-in-parts.ts';
import { ErrorBody, FileObject } from './wire.ts';

export type Client = {
  readonly get: <T extends z.ZodType>(path: string, schema: T) => Promise<z.output<T>>;
  readonly post: <T extends z.ZodType>(
    path: string,
    body: unknown,
    schema: T,
  ) => Promise<z.output<T>>;
  readonly del: <T extends z.ZodType>(path: string, schema: T) => Promise<z.output<T>>;
  /** A call of Tunery's own, beside the OpenAI API: `/tunery/v1` where that is `/v1`. */
  readonly own: <T extends z.ZodType>(
    path: string,
    body: unknown,
    schema: T,
    method?: string,
  ) => Promise<z.output<T>>;
  readonly upload: (path: string, purpose: string) => Promise<FileObject>;
  /** The answer as it comes; its status is 2xx. */
  readonly raw: (path: string, init?: RequestInit) => Promise<Response>;
  /** The `data:` lines of an event stream, parsed; ends at `[DONE]` or with the connection. */
  readonly events: <T extends z.ZodType>(
    path: string,
    schema: T,
    body?: unknown,
  ) => AsyncGenerator<z.output<T>>;
};

/** The variable that holds the key: `OPENAI_API_KEY` is what programs for the original read. */
export const keyVariable = (env: Cli['env']): string | null =>
  ['TUNERY_API_KEY', 'OPENAI_API_KEY'].find((name) => env[name]) ?? null;

export const apiKey = (env: Cli['env']): string | undefined => env[keyVariable(env) ?? ''];

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export function checkedBaseUrl(say: Say, baseUrl: string): string {
  const base = baseUrl.replace(/\/+$/, '');
  if (URL.canParse(base) && /^https?:/.test(base)) return base;
  throw usageError(say('usage.choice', { flag: '--base-url', known: 'http://…/v1', value: base }));
}

/** `fetch`: the network, unless a command has the server's routes at hand. */
export function connect(cli: Cli, baseUrl: string, fetch: Fetch = globalThis.fetch): Client {
  const { say, env, signal } = cli;
  const base = checkedBaseUrl(say, baseUrl);
  const key = apiKey(env);
  const auth: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};

  const raw = (path: string, init: RequestInit = {}) => request(`${base}${path}`, init);

  async function request(url: string, init: RequestInit): Promise<Response> {
    const headers = { ...auth, ...(init.headers as Record<string, string> | undefined) };
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers, signal });
    } catch (error) {
      if (signal.aborted) throw interrupted();
      const message = say('error.unreachable', { url: base, reason: reasonOf(error) });
      throw new Failure(message, { exitCode: 3, code: 'unreachable', cause: error });
    }
    if (response.ok) return response;
    throw await refusal(response);
  }

  async function refusal(response: Response): Promise<Failure> {
    const text = await response.text().catch(() => '');
    const parsed = ErrorBody.safeParse(jsonOrNull(text));
    if (!parsed.success) return notTunery(`HTTP ${response.status}`);
    const { param = null, code = null } = parsed.data.error;
    const message = retell(parsed.data.error.message, say);
    if (response.status === 401) return new Failure(say('error.key', { message }), { code });
    const sentence =
      param === null ? say('error.api', { message }) : say('error.api_param', { param, message });
    return new Failure(sentence, { code, param });
  }

  const notTunery = (reason: string) => new Failure(say('error.not_tunery', { url: base, reason }));
  const interrupted = () =>
    new Failure(say('error.interrupted'), { exitCode: 130, code: 'interrupted' });

  async function parsed<T extends z.ZodType>(response: Response, schema: T): Promise<z.output<T>> {
    const result = schema.safeParse(jsonOrNull(await text(response)));
    if (result.success) return result.data;
    throw notTunery(result.error.issues[0]?.message ?? 'no JSON');
  }

  async function text(response: Response): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      throw lost(error);
    }
  }

  function lost(error: unknown): Failure {
    if (signal.aborted) return interrupted();
    const message = say('error.lost', { reason: reasonOf(error) });
    return new Failure(message, { exitCode: 3, code: 'connection_lost', cause: error });
  }

  const post: Client['post'] = async (path, body, schema) =>
    parsed(await raw(path, jsonBody(body)), schema);

  return {
    raw,
    get: async (path, schema) => parsed(await raw(path), schema),
    del: async (path, schema) => parsed(await raw(path, { method: 'DELETE' }), schema),
    post,
    own: async (path, body, schema, method = 'POST') => {
      const url = `${base.replace(/\/v1$/, '')}/tunery/v1${path}`;
      const init = body === undefined ? {} : jsonBody(body);
      return parsed(await request(url, { ...init, method }), schema);
    },
    async upload(path, purpose) {
      const blob = await fileToUpload(cli, path);
      const filename = basename(path);
      try {
        if (blob.size > LARGEST_FILE)
          return await uploadInParts({ post, raw }, blob, { filename, purpose });
        const form = new FormData();
        form.append('purpose', purpose);
        form.append('file', blob, filename);
        return await parsed(await raw('/files', { method: 'POST', body: form }), FileObject);
      } catch (error) {
        throw await inReadersLanguage(cli, path, error);
      }
    },
    async *events(path, schema, body) {
      const response = await raw(path, body === undefined ? {} : jsonBody(body));
      try {
        for await (const data of dataLines(response)) {
          const value = jsonOrNull(data);
          const failure = ErrorBody.safeParse(value);
          if (failure.success) {
            const { code = null } = failure.data.error;
            const message = retell(failure.data.error.message, say);
            throw new Failure(say('error.api', { message }), { code });
          }
          const result = schema.safeParse(value);
          if (!result.success) throw notTunery(result.error.issues[0]?.message ?? 'no JSON');
          yield result.data;
        }
      } catch (error) {
        throw error instanceof Failure ? error : lost(error);
      }
    },
  };
}

const jsonBody = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

async function* dataLines(response: Response): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data:')) continue; // comments keep the connection open
      const data = line.slice('data:'.length).trim();
      if (data === '[DONE]') return;
      yield data;
    }
  }
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
