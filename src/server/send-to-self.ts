// How the server calls its own endpoints: through the whole application, so that a request of a batch is
// checked, answered and charged like any other.
import type { Send } from '../batches/batches.ts';
import type { Acting } from './auth.ts';

type Fetch = (request: Request, bindings: { acting: Acting }) => Response | Promise<Response>;

export const sendTo =
  (fetch: () => Fetch): Send =>
  async ({ endpoint, body, keyId, organization, signal }) => {
    const request = new Request(`http://localhost${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
    return await fetch()(request, { acting: { keyId, organization } });
  };
