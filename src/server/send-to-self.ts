// How the server calls its own endpoints: through the whole application, so that a request of a batch is
// checked, answered and charged like any other.
import type { Send } from '../batches/batches.ts';
import { newId } from '../lib/id.ts';
import type { Acting } from './auth.ts';
import { invalidValue, toWire } from './errors.ts';

type Fetch = (request: Request, bindings: { acting: Acting }) => Response | Promise<Response>;

export const sendTo =
  (fetch: () => Fetch): Send =>
  async ({ endpoint, body, keyId, organization, signal }) => {
    if ((body as { stream?: unknown }).stream === true) return notStreamed();
    const request = new Request(`http://localhost${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
    return await fetch()(request, { acting: { keyId, organization } });
  };

/** An answer in pieces does not fit a line of the output file. */
function notStreamed(): Response {
  const reason = "a request of a batch cannot be streamed; leave out 'stream'.";
  const { status, body } = toWire(invalidValue('stream', reason));
  return Response.json(body, { status, headers: { 'x-request-id': newId('req_') } });
}
