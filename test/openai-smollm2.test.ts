// A chat through the official client with a real model; needs TUNERY_SHARED or ../shared.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../src/server/start.ts';

const MODELS = join(process.env['TUNERY_SHARED'] ?? '../shared', 'models/smollm2-135m-instruct');

describe.skipIf(!existsSync(MODELS))('SmolLM2 (needs TUNERY_SHARED or ../shared)', () => {
  let directory: string;
  let server: RunningServer;
  let client: OpenAI;
  let model: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tunery-chat-'));
    server = await startServer({ port: 0, dataDir: join(directory, 'data'), modelsDirs: [MODELS] });
    client = new OpenAI({ apiKey: 'sk-test', baseURL: `${server.url}/v1`, maxRetries: 0 });
    model = (await client.models.list()).data[0]!.id;
  });
  afterAll(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });

  const ask = (change: object = {}) => ({
    model,
    messages: [{ role: 'user' as const, content: 'What is the capital of France?' }],
    max_tokens: 12,
    temperature: 0,
    ...change,
  });

  test('the stream of an answer is the same text', async () => {
    const answer = await client.chat.completions.create(ask());
    const text = answer.choices[0]?.message.content;
    expect(text?.length).toBeGreaterThan(10);
    const stream = client.chat.completions.stream(ask());
    expect(await stream.finalContent()).toBe(text);
  });

  test('the tokens with log-probabilities make up the text', async () => {
    const { choices } = await client.chat.completions.create(
      ask({ logprobs: true, top_logprobs: 2 }),
    );
    const tokens = choices[0]?.logprobs?.content ?? [];
    expect(tokens.map(({ token }) => token).join('')).toBe(choices[0]?.message.content);
    for (const { logprob, top_logprobs } of tokens) {
      expect(top_logprobs).toHaveLength(2);
      expect(top_logprobs[0]?.logprob).toBe(logprob); // greedy
    }
  });

  test('a prompt that is too long is refused and the model goes on', async () => {
    const messages = [{ role: 'user' as const, content: 'word '.repeat(10_000) }];
    await expect(client.chat.completions.create(ask({ messages }))).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'messages',
    });
    expect((await client.chat.completions.create(ask({ max_tokens: 1 }))).choices).toHaveLength(1);
  });
});
