import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { listen } from './listen.ts';
import { sseResponse } from './sse.ts';

const local = { port: 0, host: '127.0.0.1' };

test('a port that is taken is refused with a sentence that says what to do', async () => {
  const first = await listen(() => new Response('ok'), local);
  const port = Number(new URL(first.url).port);
  await expect(listen(() => new Response('ok'), { ...local, port })).rejects.toMatchObject({
    code: 'port_in_use',
    message: expect.stringContaining('choose another --port'),
  });
  expect(await (await fetch(first.url)).text()).toBe('ok');
  await first.close();
});

const BROKEN = [
  [
    'a backslash in the path',
    'GET /v1/\\files HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    400,
  ],
  ['no HTTP', 'HELO\r\n\r\n', 400],
  ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', 400],
  [
    'both lengths',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['20 KB of headers', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
] as const;

test.each(BROKEN)('a request with %s gets a JSON error', async (_, bytes, status) => {
  const server = await listen(() => new Response('ok'), local);
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () =>
      socket.write(bytes),
    );
    let text = '';
    socket.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    socket.on('end', () => resolve(text)).on('error', reject);
  });
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  const { error } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4).match(/\{.*\}/s)![0]);
  expect(error).toMatchObject({ type: 'invalid_request_error', param: null, code: null });
  await server.close();
});

test('a client that leaves a stream stops what feeds it, and silence is filled with comments', async () => {
  let stopped = 0;
  let returned = false;
  const stop = new AbortController();
  async function* silence() {
    try {
      yield 1;
      await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
    } finally {
      returned = true;
    }
  }
  const server = await listen(
    () =>
      sseResponse(silence(), {
        stop: () => {
          stopped += 1;
          stop.abort();
        },
        log: createLog('silent'),
        keepAliveMs: 10,
      }),
    local,
  );
  const abort = new AbortController();
  const { body } = await fetch(server.url, { signal: abort.signal });
  let text = '';
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('ping')) break;
  }
  abort.abort();
  await expect.poll(() => [stopped, returned]).toEqual([1, true]);
  expect(text).toMatch(/^data: 1\n\n(: ping\n\n)+$/);
  await server.close();
});

test('closing ends streams that nobody ends', async () => {
  const server = await listen(
    () =>
      new Response(
        new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }),
      ),
    local,
  );
  const { body } = await fetch(server.url);
  const reading = body!.getReader();
  await reading.read();
  const rest = reading.read().catch(() => 'cut off');
  await server.close(50);
  expect(await rest).toBe('cut off');
});
