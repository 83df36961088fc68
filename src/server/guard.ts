// Keeps foreign web pages out of a server that has no password: a page may open any address, also this
// one, with the user's browser. Answers CORS for the pages that are allowed.
import type { MiddlewareHandler } from 'hono';
import { type Config, isLoopback } from './config.ts';
import { forbidden } from './errors.ts';

export const guard =
  (config: Config): MiddlewareHandler =>
  async (c, next) => {
    const host = c.req.header('host');
    if (host !== undefined && !hostAllowed(host, config))
      throw forbidden(
        `This server answers on this machine only, not as '${host}'. Use http://127.0.0.1 or http://localhost, start it with another --host, or name the address in TUNERY_ORIGINS.`,
      );
    const origin = c.req.header('origin');
    if (origin === undefined) return await next();
    if (!originAllowed(origin, host, config))
      throw forbidden(
        `Web pages of '${origin}' may not use this server. Add the origin to TUNERY_ORIGINS to allow it.`,
      );
    if (c.req.method === 'OPTIONS') c.res = new Response(null, { status: 204 });
    else await next();
    const headers = c.res.headers;
    headers.set('access-control-allow-origin', origin);
    headers.append('vary', 'origin');
    headers.set('access-control-expose-headers', EXPOSED);
    if (c.req.method !== 'OPTIONS') return;
    headers.set('access-control-allow-methods', 'GET, POST, DELETE, OPTIONS');
    headers.set(
      'access-control-allow-headers',
      c.req.header('access-control-request-headers') ?? 'authorization, content-type',
    );
    headers.set('access-control-max-age', '600');
    headers.set('access-control-allow-private-network', 'true');
  };

const EXPOSED = [
  'x-request-id',
  'openai-processing-ms',
  'openai-organization',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [
    `x-ratelimit-${what}-requests`,
    `x-ratelimit-${what}-tokens`,
  ]),
].join(', ');

// A name that an attacker makes point to 127.0.0.1 shows in the Host header (DNS rebinding).
function hostAllowed(host: string, { loopbackOnly, origins }: Config): boolean {
  if (!loopbackOnly) return true;
  return (
    isLoopback(hostname(`http://${host}`)) || origins.some((origin) => hostOf(origin) === host)
  );
}

function originAllowed(origin: string, host: string | undefined, { origins }: Config): boolean {
  if (origins.includes('*') || origins.includes(origin)) return true;
  return isLoopback(hostname(origin)) || (host !== undefined && hostOf(origin) === host);
}

const hostname = (url: string) => URL.parse(url)?.hostname ?? '';
const hostOf = (url: string) => URL.parse(url)?.host ?? '';
