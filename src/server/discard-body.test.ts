// Over a real socket: what a client reads that sends far too much in one go and looks at the answer after.
import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { countingApp } from '../testing/counting-app.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { discardBody } from './discard-body.ts';
import { listen } from './listen.ts';

const MANY = 80 * 2 ** 20; // bytes; node's server side gives up at 64 MB by itself

test.each([
  ['a JSON body with its length', '/v1/completions', 'application/json', true],
  ['a JSON body without', '/v1/completions', 'application/json', false],
  ['a file with its length', '/v1/files', 'multipart/form-data; boundary=b', true],
])('%s that is far too large gets its 413', async (_, path, type, measured) => {
  const config = { jsonLimit: 1000, fileLimit: 1000 };
  const app = countingApp({ store: await temporaryStore(), config });
  const server = await listen(app.fetch, { port: 0, host: '127.0.0.1' });
  onTestFinished(() => server.close());
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const headers = { 'content-type': type, ...(measured && { 'content-length': MANY }) };
  const sent = request(`${server.url}${path}`, { method: 'POST', headers }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    response.on('end', () => resolve({ status: response.statusCode!, text }));
  });
  sent.on('error', reject);
  sent.end(Buffer.alloc(MANY, 97));
  const { status, text } = await promise;
  expect(status, text).toBe(413);
  expect(text).toMatch(/Maximum content size limit \(1000\) exceeded \(\d+ bytes read\)/);
});

test('a body that does not end is given up', async () => {
  const endless = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(5)),
  });
  expect(await discardBody(endless.getReader(), 20)).toBe(5);
});
