// A model behind an OpenAI-compatible endpoint. What passes by itself (a rate limit, an overload, a lost
// connection) is tried again; what does not is an error that says what to do.
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CodedError } from '../../lib/coded-error.ts';
import type { MessageKey } from '../../messages/en.ts';
import { say as english, type Params, type Say } from '../../messages/say.ts';
import type { Asked, ChatBody } from './ask.ts';

export type Endpoint = {
  /** Up to and with `/v1`. */
  readonly baseUrl: string;
  readonly apiKey: string | null;
  /** What errors call it; else the address. */
  readonly name?: string;
  /** Instead of the network. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  readonly say?: Say;
  readonly onWait?: (wait: Waiting) => void;
  readonly timeoutMs?: number;
  /** The first pause; each further one is twice as long. */
  readonly pauseMs?: number;
};
export type Waiting = { readonly seconds: number; readonly reason: string };

const TRIES = 6;
const LONGEST_PAUSE_MS = 30_000;
const LONGEST_RETRY_AFTER_S = 600;
/** Node's own fetch gives up after this time without an answer. */
const TIMEOUT_MS = 300_000;

const Completion = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
});

export function endpointAsker(endpoint: Endpoint, signal: AbortSignal) {
  const { pauseMs = 500, onWait } = endpoint;
  let answered = false;
  return async (body: ChatBody): Promise<Asked> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const asked = await once(endpoint, body, signal);
        answered = true;
        return asked;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof Passing)) throw error;
        // Nobody has ever answered there: most likely the address is wrong.
        if (attempt === TRIES || (error.silent && !answered)) throw error.coded;
        const wait = error.retryAfterMs ?? Math.min(LONGEST_PAUSE_MS, pauseMs * 2 ** (attempt - 1));
        if (wait > LONGEST_RETRY_AFTER_S * 1000) throw error.coded;
        if (wait >= 1000) onWait?.({ seconds: Math.ceil(wait / 1000), reason: error.message });
        await sleep(wait, undefined, { signal });
      }
    }
  };
}

/** An error that may be gone at the next try. */
class Passing extends Error {
  readonly coded: CodedError;
  readonly retryAfterMs: number | null;
  /** Nothing listens at that address. */
  readonly silent: boolean;
  constructor(coded: CodedError, retryAfterMs: number | null, silent = false) {
    super(coded.message, { cause: coded });
    this.coded = coded;
    this.retryAfterMs = retryAfterMs;
    this.silent = silent;
  }
}

async function once(
  {
    baseUrl,
    apiKey,
    name: where = shown(baseUrl),
    fetch = globalThis.fetch,
    timeoutMs = TIMEOUT_MS,
    say = english,
  }: Endpoint,
  body: ChatBody,
  signal: AbortSignal,
): Promise<Asked> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
      },
      body: JSON.stringify(body),
      redirect: 'manual', // the key belongs to this address and to no other
      signal: AbortSignal.any([signal, timeout]),
    });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const message = timeout.aborted
      ? say('endpoint.timeout', { where, seconds: Math.round(timeoutMs / 1000) })
      : say('endpoint.unreachable', { where, reason: reasonOf(error) });
    const coded = new CodedError('unreachable', message, { status: 502, cause: error });
    // An address that fetch itself refuses has no cause either.
    if (error instanceof TypeError && error.cause === undefined) throw coded;
    throw new Passing(coded, null, /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(codeOf(error)));
  }
  if (!response.ok) throw refusal(response, text, { where, model: body.model, say });
  const parsed = Completion.safeParse(jsonOrNull(text));
  if (!parsed.success)
    throw new Passing(
      new CodedError('not_a_completion', say('endpoint.odd', { where, said: text.slice(0, 200) }), {
        status: 502,
      }),
      null,
    );
  const { choices, usage } = parsed.data;
  return {
    text: choices[0]!.message.content ?? '',
    promptTokens: usage?.prompt_tokens ?? 0,
    completionTokens: usage?.completion_tokens ?? 0,
    cut: choices[0]!.finish_reason === 'length',
  };
}

const ErrorBody = z.looseObject({
  error: z.union([
    z.string(),
    z.looseObject({ message: z.string(), code: z.union([z.string(), z.number()]).nullish() }),
  ]),
});

function refusal(
  response: Response,
  text: string,
  { where, model, say }: { readonly where: string; readonly model: string; readonly say: Say },
): Error {
  const { status, headers } = response;
  const parsed = ErrorBody.safeParse(jsonOrNull(text)).data?.error;
  const said =
    typeof parsed === 'string' ? parsed : (parsed?.message ?? (text.slice(0, 200) || 'no reason'));
  const code = typeof parsed === 'object' ? parsed.code : null;
  const make = (name: string, key: MessageKey, more: Params = {}, param: string | null = null) =>
    new CodedError(name, say(key, { where, status, said, ...more }), { status, param });
  if (status >= 300 && status < 400)
    return make('redirected', 'endpoint.redirected', { to: headers.get('location') ?? '?' });
  if (status === 401 || status === 403) return make('key_refused', 'endpoint.key');
  if (status === 404) return make('model_not_found', 'endpoint.model', { model }, 'model');
  const lasting = code === 'insufficient_quota' || headers.get('x-should-retry') === 'false';
  if (status === 402 || (status === 429 && lasting)) return make('quota_used_up', 'endpoint.quota');
  if ([408, 409, 425, 429].includes(status) || status >= 500) {
    const failed = make('model_failed', 'endpoint.failed');
    return lasting ? failed : new Passing(failed, retryAfterMs(headers));
  }
  return make('question_refused', 'endpoint.refused');
}

/** Seconds or a date, as in RFC 9110; OpenAI also says milliseconds. */
function retryAfterMs(headers: Headers): number | null {
  const exact = Number(headers.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(exact)) return Math.max(0, exact);
  const value = headers.get('retry-after');
  if (value === null) return null;
  if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now());
}

/** An address without a user's name and password in it. */
export function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const own = 'code' in error ? String(error.code) : '';
  const { cause } = error;
  const under = cause instanceof AggregateError ? cause.errors[0] : cause;
  return under === undefined ? own : `${own} ${codeOf(under)}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? reasonOf(cause) : error.message;
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
