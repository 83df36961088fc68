// The port: node's HTTP server around a fetch handler. Knows nothing of what is answered.
import { once } from 'node:events';
import { createServer, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
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
  server.on('clientError', answerNoRequest);
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
const badRequest = (error: unknown): Response =>
  Response.json(refusal(400, error instanceof Error ? error.message : String(error)), {
    status: 400,
  });

function refusal(status: number, reason: string) {
  const message = `Bad request: ${reason}`;
  return toWire(new ApiError(message, { status, code: null, param: null })).body;
}

const PARSE_ERRORS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Bytes that are no HTTP, for which there is no request to answer: node would send an empty body. */
function answerNoRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = PARSE_ERRORS[error.code ?? ''] ?? 400;
  const body = `${JSON.stringify(refusal(status, error.message))}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
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
