// The official client straight into the app, without a port: what the SDK makes of answers, streams,
// pages and errors.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore, type Store } from '../src/store/store.ts';
import { countingApp } from '../src/testing/counting-app.ts';

let directory: string;
let store: Store;
let client: OpenAI;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-sdk-'));
  store = await openStore(join(directory, 'data'));
  const app = countingApp({ store });
  client = new OpenAI({
    apiKey: 'sk-test',
    baseURL: 'http://tunery.test/v1',
    fetch: async (url, init) => app.request(url instanceof URL ? url.href : url, init),
  });
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const request = { model: 'counter', messages: [{ role: 'user' as const, content: 'Count.' }] };

test('chat answers with text, reason and usage', async () => {
  const answer = await client.chat.completions.create({
    ...request,
    max_tokens: 3,
    logprobs: true,
  });
  expect(answer.choices[0]).toMatchObject({
    index: 0,
    finish_reason: 'length',
    message: { role: 'assistant', content: '1 2 3 ', refusal: null },
  });
  expect(answer.choices[0]?.logprobs?.content?.map(({ token }) => token).join('')).toBe('1 2 3 ');
  expect(answer.usage).toMatchObject({ prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 });
  expect(answer._request_id).toMatch(/^req_/);
});

test('the stream helper of the SDK puts the same answer together', async () => {
  const stream = client.chat.completions.stream({ ...request, n: 2, max_tokens: 3 });
  const whole = await stream.finalChatCompletion();
  expect(whole.choices.map(({ message }) => message.content)).toEqual(['1 2 3 ', '1 2 3 ']);
  expect(whole.choices.map(({ finish_reason }) => finish_reason)).toEqual(['length', 'length']);
});

test('errors arrive as the classes of the SDK, without a retry', async () => {
  const ask = (change: object) => client.chat.completions.create({ ...request, ...change });
  await expect(ask({ model: 'none' })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(ask({ temperature: 9 })).rejects.toMatchObject({
    status: 400,
    param: 'temperature',
  });
  await expect(client.get('/_stainless_unknown_path')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test('files are uploaded, listed page by page, read and deleted', async () => {
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const file = await toFile(Buffer.from(name), `${name}.txt`);
    ids.unshift((await client.files.create({ file, purpose: 'user_data' })).id);
  }
  const listed: string[] = [];
  for await (const { id } of client.files.list({ limit: 1 })) listed.push(id);
  expect(listed).toEqual(ids);
  expect(await (await client.files.content(ids[0]!)).text()).toBe('c');
  expect(await client.files.retrieve(ids[0]!)).toMatchObject({ filename: 'c.txt', bytes: 1 });
  expect((await client.files.delete(ids[0]!)).deleted).toBe(true);
  await expect(client.files.retrieve(ids[0]!)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test('a file that expires says when', async () => {
  const file = await client.files.create({
    file: await toFile(Buffer.from('x'), 'x.txt'),
    purpose: 'user_data',
    expires_after: { anchor: 'created_at', seconds: 7200 },
  });
  expect(file.expires_at).toBe(file.created_at + 7200);
});
