// Lines on files, uploads, batches and errors.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { toFile } from 'openai';
import { until } from '../made.ts';
import { startTestServer, TINY } from '../server.ts';
import { type Context, post, raw, type Scenario } from './scenario.ts';

export const FILES: readonly Scenario[] = [
  {
    line: 1,
    what: 'a local path instead of a file id is a 404 in JSON',
    clients: ['http', 'python-0.28'],
    run: async ({ base }) => {
      const { status, json } = await raw(`${base}/files/%2Ftmp%2Fx.jsonl`);
      assert.equal(status, 404);
      assert.match(json.error.message, /^No such File object/);
    },
  },
  {
    line: 2,
    what: 'multipart with the file before the purpose, chunked',
    clients: ['http', 'node-7'],
    run: async ({ base }) => {
      const { status, body } = await chunked(`${base}/files`, [
        part('file', 'a note', 'a.txt'),
        part('purpose', 'user_data'),
      ]);
      assert.equal(status, 200, body);
      assert.equal(JSON.parse(body).bytes, 6);
    },
  },
  {
    line: 3,
    what: 'a file name with a path is stored as its last part',
    clients: ['http', 'python-0.28'],
    run: async ({ base }) => {
      const { status, body } = await chunked(`${base}/files`, [
        part('purpose', 'user_data'),
        part('file', 'a note', '../../etc/x.jsonl'),
      ]);
      assert.equal(status, 200, body);
      assert.equal(JSON.parse(body).filename, 'x.jsonl');
    },
  },
  {
    line: 33,
    what: 'unknown URLs are 404 unknown_url; a wrong key is 401 with the key masked',
    clients: ['http'],
    run: async ({ base }) => {
      const unknown = await raw(`${base}/nothing`);
      assert.deepEqual([unknown.status, unknown.json.error.code], [404, 'unknown_url']);
      assert.deepEqual(Object.keys(unknown.json.error).sort(), [
        'code',
        'message',
        'param',
        'type',
      ]);
      const other = await startTestServer(); // once there was a key, a server always asks for one
      try {
        const made = await post(`${other.url()}/tunery/v1/keys`, {
          name: 'first',
          scopes: ['admin'],
        });
        assert.equal(made.status, 200, JSON.stringify(made.json));
        const ask = (key: string) =>
          raw(`${other.url()}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
        const wrong = await ask('sk-wrong-key-of-nobody-1234');
        assert.deepEqual([wrong.status, wrong.json.error.code], [401, 'invalid_api_key']);
        assert.match(wrong.json.error.message, /\*\*\*/);
        assert.doesNotMatch(wrong.json.error.message, /wrong-key-of-nobody/);
        assert.equal((await ask(made.json.value)).status, 200);
      } finally {
        await other.close();
      }
    },
  },
  {
    line: 34,
    what: 'a JSON body over 25 MB is a 413',
    clients: ['http'],
    run: async ({ base }) => {
      const { status, json } = await post(`${base}/completions`, {
        model: TINY,
        prompt: 'a'.repeat(26_214_401),
      });
      assert.equal(status, 413);
      assert.match(json.error.message, /Maximum content size limit \(26214400\) exceeded/);
    },
  },
  {
    line: 37,
    what: 'a batch with one bad line: error file and counts',
    clients: ['node-7'],
    run: async ({ client, made }) => {
      const line = (custom_id: string, model: string) => ({
        custom_id,
        method: 'POST',
        url: '/v1/completions',
        body: { model, prompt: 'Tim', max_tokens: 2 },
      });
      const input_file_id = await made.upload(
        'in.jsonl',
        [line('good', TINY), line('bad', 'no-such-model')],
        'batch',
      );
      const { id } = await client.batches.create({
        input_file_id,
        endpoint: '/v1/completions',
        completion_window: '24h',
      });
      const ended = ['completed', 'failed', 'expired', 'cancelled'];
      const batch = await until(() => client.batches.retrieve(id), ended);
      assert.equal(batch.status, 'completed');
      assert.deepEqual(batch.request_counts, { total: 2, completed: 1, failed: 1 });
      const errors = await (await client.files.content(batch.error_file_id!)).text();
      assert.equal(JSON.parse(errors).custom_id, 'bad');
      const output = await (await client.files.content(batch.output_file_id!)).text();
      assert.equal(JSON.parse(output).response.status_code, 200);
    },
  },
  {
    line: 38,
    what: 'parts of an upload out of order; a wrong md5 is a 400',
    clients: ['node-7'],
    run: async ({ client }) => {
      const upload = await client.uploads.create({
        filename: 'abc.txt',
        purpose: 'user_data',
        bytes: 3,
        mime_type: 'text/plain',
      });
      const send = async (text: string) => {
        const data = await toFile(Buffer.from(text), 'part');
        return (await client.uploads.parts.create(upload.id, { data })).id;
      };
      const c = await send('c');
      const [a, b] = await Promise.all([send('a'), send('b')]);
      const complete = (md5: string) =>
        client.uploads.complete(upload.id, { part_ids: [a, b, c], md5 });
      await assert.rejects(complete('0'.repeat(32)), { status: 400 });
      const done = await complete(createHash('md5').update('abc').digest('hex'));
      assert.equal(done.status, 'completed');
      assert.equal(await (await client.files.content(done.file!.id)).text(), 'abc');
    },
  },
  {
    line: 4,
    what: 'cancel with an empty body and three content types',
    clients: ['http'],
    run: async ({ base, made }: Context) => {
      for (const type of ['application/json', 'application/x-www-form-urlencoded', null]) {
        const id = await made.newJob();
        const { status, json } = await raw(`${base}/fine_tuning/jobs/${id}/cancel`, {
          method: 'POST',
          ...(type !== null && { headers: { 'content-type': type } }),
        });
        assert.deepEqual([status, json.status], [200, 'cancelled'], String(type));
      }
    },
  },
];

const EDGE = 'edge-of-a-part';

const part = (name: string, text: string, filename?: string) =>
  `--${EDGE}\r\ncontent-disposition: form-data; name="${name}"${
    filename === undefined ? '' : `; filename="${filename}"`
  }\r\n\r\n${text}\r\n`;

/** Without a content-length, each part as a chunk of its own. */
async function chunked(
  url: string,
  parts: readonly string[],
): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const headers = { 'content-type': `multipart/form-data; boundary=${EDGE}` };
  const sent = request(url, { method: 'POST', headers }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    response.on('end', () => resolve({ status: response.statusCode!, body }));
  });
  sent.on('error', reject);
  for (const one of parts) sent.write(one);
  sent.end(`--${EDGE}--\r\n`);
  return await promise;
}
