// The port: node's HTTP server around a fetch handler. Knows nothing of what is answered.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import { ApiError, toWire } from './errors.ts';

export type Listening = {
  readonly url: string;
  /** Takes no more requests, gives those in work the grace time, then cuts them off. */
  readonly close: (graceMs?: number) => Promise<void>;
};

type Fetch = (request: Request) => Response | Promise<Response>;

/** Port 0 takes a free one. Throws CodedError `port_in_use`, `port_forbidden` or `host_unknown`. */
export async function listen(
  fetch: Fetch,
  { port, host }: { readonly port: number; readonly host: string },
): Promise<Listening> {
  const server = createServer(
    {
      requestTimeout: 0, // half a gigabyte over a slow line takes its time
      keepAliveTimeout: 75_000, // longer than a client's pool keeps a connection, so that it ends it
    },
    getRequestListener(fetch, { overrideGlobalObjects: false, errorHandler: badRequest }),
  );
  const listening = once(server, 'listening');
  server.listen(port, host);
  try {
    await listening;
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, port, host);
  }
  const { port: actual } = server.address() as AddressInfo;
  const close = async (graceMs = 2000) => {
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    await closed.finally(() => clearTimeout(timer));
  };
  return { url: `http://${reachable(host)}:${actual}`, close };
}

// What is not even a request: a broken URL or Host header.
function badRequest(error: unknown): Response {
  const message = `Bad request: ${error instanceof Error ? error.message : String(error)}`;
  const { body } = toWire(new ApiError(message, { status: 400, code: null, param: null }));
  return Response.json(body, { status: 400 });
}

function explain({ code, message }: NodeJS.ErrnoException, port: number, host: string): CodedError {
  if (code === 'EADDRINUSE')
    return new CodedError('port_in_use', say('start.port_in_use', { port, host }));
  if (code === 'EACCES')
    return new CodedError('port_forbidden', say('start.port_forbidden', { port }));
  return new CodedError('host_unknown', say('start.host_unknown', { host, port, reason: message }));
}

// 0.0.0.0 is no address to send a request to.
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
