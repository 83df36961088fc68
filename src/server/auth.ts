// Who is asking: finds the key of a request, checks its scope and limits, and charges what it uses. Until
// the first key exists everybody may do everything; config and start.ts see to it that "everybody" is
// this machine.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context, MiddlewareHandler } from 'hono';
import { unixSeconds } from '../lib/clock.ts';
import type { KeyRow } from '../store/keys.ts';
import { type Keyring, masked } from './auth-keys.ts';
import { grants, type Scope, scopesFor } from './auth-scopes.ts';
import type { Deps, Embed, Sample } from './deps.ts';
import {
  forbidden,
  lacksScope,
  mismatched,
  noKey,
  quotaUsedUp,
  unknownUrl,
  wrongKey,
} from './errors.ts';
import { inProject } from './model-access.ts';
import { createRateLimits } from './rate-limit.ts';

export type Caller = {
  /** Null: this server has no keys. */
  readonly key: KeyRow | null;
  readonly organization: string;
};

declare module 'hono' {
  interface ContextVariableMap {
    caller: Caller;
  }
}

export function auth({ keys, config, clock }: Deps): MiddlewareHandler {
  const limits = createRateLimits(clock);
  return async (c, next) => {
    if (c.req.path === '/healthz') return await next();
    const acting = actingOf(c);
    if (acting?.keyId === null) {
      c.set('caller', { key: null, organization: acting.organization });
      return await next();
    }
    if (!(await keys.required())) {
      if (!config.loopbackOnly && c.req.path.startsWith('/tunery/v1/keys')) throw notFromAfar();
      c.set('caller', { key: null, organization: config.organization });
      return await next();
    }
    const key = await keyOf(c, keys, unixSeconds(clock.now()));
    c.set('caller', { key, organization: key.organization_id });
    const anyOf = scopesFor(c.req.method, c.req.path);
    // What no rule names is open to administrators only; for others there is no such path.
    if (anyOf === null && !key.scopes.includes('admin')) throw unknownUrl(c.req.method, c.req.path);
    if (anyOf !== null && !grants(key.scopes, anyOf)) throw lacksScope(anyOf, key.scopes);
    const spends = spendsTokens(c.req.method, anyOf);
    if (spends && key.token_quota !== null && key.tokens_used >= key.token_quota)
      throw quotaUsedUp(key.redacted_value, key.token_quota);
    try {
      limits.take(key, spends);
      await keys.use(key.id, 0);
      const meter: Meter = {
        charge: async (tokens) => {
          limits.spend(key, tokens);
          await keys.use(key.id, tokens);
        },
        check: async () => {
          const { revoked_at = null } = (await keys.get(key.id)) ?? {};
          if (revoked_at !== null) throw wrongKey(key.redacted_value, 'revoked');
        },
      };
      await inProject(key.project_id, () => metering.run(meter, next));
    } finally {
      for (const [name, value] of limits.headers(key)) c.header(name, value);
    }
  };
}

/** Whose rights a request has that this server sends to itself. Null: everybody's, when there was no key. */
export type Acting = { readonly keyId: string | null; readonly organization: string };

/** The bindings of a request from outside are empty: nobody else can say this. */
const actingOf = (c: Context): Acting | undefined =>
  (c.env as { acting?: Acting } | undefined)?.acting;

async function keyOf(c: Context, keys: Keyring, now: number): Promise<KeyRow> {
  const acting = actingOf(c);
  if (acting?.keyId != null) {
    const key = await keys.get(acting.keyId);
    if (key === null) throw wrongKey(acting.keyId, 'revoked');
    return stillValid(key, now);
  }
  const value = /^Bearer +(\S+)\s*$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (value === undefined) throw noKey();
  const key = await keys.find(value);
  if (key === null) throw wrongKey(masked(value), null);
  stillValid(key, now);
  const organization = c.req.header('openai-organization');
  if (organization && organization !== key.organization_id) throw mismatched('Organization');
  const project = c.req.header('openai-project');
  if (project && key.project_id !== null && project !== key.project_id) throw mismatched('Project');
  return key;
}

function stillValid(key: KeyRow, now: number): KeyRow {
  if (key.revoked_at !== null) throw wrongKey(key.redacted_value, 'revoked');
  if (key.expires_at !== null && key.expires_at <= now)
    throw wrongKey(key.redacted_value, 'expired');
  return key;
}

const spendsTokens = (method: string, anyOf: readonly Scope[] | null) =>
  method === 'POST' && (anyOf?.includes('infer') ?? false);

const notFromAfar = () =>
  forbidden(
    'This server is open to other machines and has no key yet; anybody could make the first one. Stop it, run `tunery keys create --data-dir DIR` on its machine, and start it again.',
  );

type Meter = {
  readonly charge: (tokens: number) => Promise<void>;
  /** Throws when the key has been revoked meanwhile: an answer under way ends there. */
  readonly check: () => Promise<void>;
};
const metering = new AsyncLocalStorage<Meter>();

/** Charges the key of the request in which it is called. */
export const chargeOf = (): ((tokens: number) => Promise<void>) =>
  metering.getStore()?.charge ?? (async () => {});

/** A sampler that charges the key of the request in which it is called. */
export const metered =
  (sample: Sample): Sample =>
  (...request) => {
    const meter = metering.getStore();
    return meter === undefined ? sample(...request) : charged(sample(...request), meter);
  };

export const meteredEmbed =
  (embed: Embed): Embed =>
  async (...request) => {
    const meter = metering.getStore();
    const embedding = await embed(...request);
    await meter?.charge(embedding.promptTokens);
    return embedding;
  };

async function* charged(events: ReturnType<Sample>, { charge, check }: Meter): ReturnType<Sample> {
  let tokens = 0; // of a generation that is left early, the pieces that came
  try {
    for await (const event of events) {
      tokens = event.type === 'end' ? event.promptTokens + event.completionTokens : tokens + 1;
      await check();
      yield event;
    }
  } finally {
    if (tokens > 0) await charge(tokens);
  }
}
