// The model that a data tool asks for a request: one of this server, through its own endpoint with the
// rights of the caller's key; or one of an endpoint that the operator has named in TUNERY_ENDPOINTS. A
// request can name no address: nobody makes this server call one that its operator did not choose.
import type { Context } from 'hono';
import type { Send } from '../batches/batches.ts';
import type { AskModel } from '../data/documents/ask.ts';
import { endpointAsker, type Waiting } from '../data/documents/endpoint.ts';
import { CodedError } from '../lib/coded-error.ts';
import { type Caller, chargeOf } from './auth.ts';
import { grants } from './auth-scopes.ts';
import type { Deps } from './deps.ts';
import { invalidValue, lacksScope, quotaUsedUp, wrongKey } from './errors.ts';
import { usableModel } from './generate.ts';

type Wanted = { readonly model: string; readonly endpoint?: string | undefined };
export type Model = {
  /** For the manifest. */
  readonly endpoint: string;
  readonly asker: (signal: AbortSignal, onWait: (wait: Waiting) => void) => AskModel;
};

const OWN = 'this server';

export async function modelFor(
  c: Context,
  { model, endpoint }: Wanted,
  deps: Deps,
  send: Send,
): Promise<Model> {
  const caller = c.get('caller');
  // Making a model answer is a right of its own, wherever it runs.
  if (caller.key !== null && !grants(caller.key.scopes, ['infer']))
    throw lacksScope(['infer'], caller.key.scopes);
  if (endpoint !== undefined) return elsewhere(endpoint, caller, deps);
  await usableModel(model, deps);
  const { organization } = caller;
  const keyId = caller.key?.id ?? null;
  return {
    endpoint: OWN,
    asker: (signal, onWait) =>
      endpointAsker(
        {
          baseUrl: 'http://localhost/v1',
          name: OWN,
          apiKey: null,
          onWait,
          fetch: (_, { body, signal: until }) =>
            send({
              endpoint: '/v1/chat/completions',
              body: JSON.parse(String(body)),
              keyId,
              organization,
              signal: until ?? signal,
            }),
        },
        signal,
      ),
  };
}

function elsewhere(name: string, { key }: Caller, { config, keys }: Deps): Model {
  const { endpoints } = config;
  const known = Object.keys(endpoints).join(', ');
  const endpoint = Object.hasOwn(endpoints, name) ? endpoints[name] : undefined;
  if (endpoint === undefined)
    throw invalidValue(
      'endpoint',
      known === ''
        ? 'this server has none; its operator names them in TUNERY_ENDPOINTS.'
        : `there is no '${name}' here. Known: ${known}.`,
    );
  const charge = chargeOf();
  return {
    endpoint: name,
    asker: (signal, onWait) => {
      const ask = endpointAsker({ ...endpoint, name, onWait }, signal);
      return async (body) => {
        if (key !== null) await mayGoOn(key.id);
        try {
          const asked = await ask(body);
          await charge(asked.promptTokens + asked.completionTokens);
          return asked;
        } catch (error) {
          throw notOurs(error);
        }
      };
    },
  };

  /** A long piece of work outlives what was checked when it began. */
  async function mayGoOn(id: string): Promise<void> {
    const now = await keys.get(id);
    if (now === null || now.revoked_at !== null) throw wrongKey(id, 'revoked');
    if (now.token_quota !== null && now.tokens_used >= now.token_quota)
      throw quotaUsedUp(now.redacted_value, now.token_quota);
  }
}

/** What another server refuses is no fault of this request's sender: its status is not theirs. */
function notOurs(error: unknown): unknown {
  if (!(error instanceof CodedError) || error.code === 'question_refused') return error;
  const { code, message, param } = error;
  return new CodedError(code, message, { param, status: 502, cause: error });
}
