import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Hosts } from './client.ts';
import type { SampleRequest } from './protocol.ts';

const SHARED = process.env['TUNERY_SHARED'] ?? '../shared';
const MODEL = join(SHARED, 'models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf');
const ORACLE = join(SHARED, 'oracle/01_forward_smollm2.json');
const missing = !existsSync(MODEL) || !existsSync(ORACLE);

const chat = (content: string): SampleRequest['prompt'] => ({
  kind: 'chat',
  messages: [{ role: 'user', content }],
});
const request = (change: Partial<SampleRequest> = {}): Omit<SampleRequest, 'id'> => ({
  adapter: null,
  prompt: chat('What is the capital of France?'),
  maxTokens: 24,
  temperature: 0,
  topP: 1,
  seed: 1,
  stop: [],
  logprobs: null,
  ...change,
});

describe.skipIf(missing)('a host with SmolLM2 (needs TUNERY_SHARED or ../shared)', () => {
  const hosts = new Hosts({ memoryBytes: 4e9, maxRequests: 6, host: { contextLength: 512 } });
  afterAll(() => hosts.close());

  async function ask(change: Partial<SampleRequest> = {}, signal?: AbortSignal) {
    const pieces = [];
    for await (const event of hosts.sample(MODEL, request(change), signal)) {
      if (event.type === 'piece') pieces.push(event);
      else return { text: pieces.map(({ text }) => text).join(''), pieces, end: event };
    }
    throw new Error('no end');
  }

  test('a question is answered, in pieces, with counted tokens', async () => {
    const { text, pieces, end } = await ask();
    expect(text).toContain('Paris');
    expect(pieces.length).toBeGreaterThan(2);
    expect(end).toMatchObject({ finishReason: 'stop' });
    expect(end.completionTokens).toBeGreaterThan(2);
  });
});
