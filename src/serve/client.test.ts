import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Hosts } from './client.ts';
import type { SampleRequest } from './protocol.ts';

const SHARED = process.env['TUNERY_SHARED'] ?? '../shared';
const MODEL = join(SHARED, 'models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf');
const ORACLE = join(SHARED, 'oracle/01_forward_smollm2.json');
const missing = !existsSync(MODEL) || !existsSync(ORACLE);

type Oracle = {
  prompts: { ids: number[]; token_logprobs: number[] }[];
  greedy: { prompt_ids: number[]; ids: number[] };
};
const oracle = (): Oracle => JSON.parse(readFileSync(ORACLE, 'utf8'));

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

  test('greedy tokens are those of the reference; the end token ends the answer', async () => {
    const { greedy } = oracle();
    const { text, pieces, end } = await ask({
      prompt: { kind: 'tokens', tokens: greedy.prompt_ids },
    });
    expect(text).toBe('The capital of France is Paris.');
    expect(pieces.length).toBeGreaterThan(2);
    const [promptTokens, completionTokens] = [greedy.prompt_ids.length, greedy.ids.length - 1];
    expect(end).toMatchObject({ finishReason: 'stop', promptTokens, completionTokens });
  });

  test('messages and the same text written out by hand are one prompt', async () => {
    const written =
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n';
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ];
    const [a, b] = await Promise.all([
      ask({ prompt: { kind: 'chat', messages } }),
      ask({ prompt: { kind: 'text', text: written } }),
    ]);
    expect(a.text).toBe(b.text);
    expect(a.end.promptTokens).toBe(b.end.promptTokens);
  });

  test('the same seed gives the same text, another seed another one', async () => {
    const sampled = { temperature: 1, prompt: chat('Tell me a story.') };
    const [first, again, other] = [
      await ask({ ...sampled, seed: 7 }),
      await ask({ ...sampled, seed: 7 }),
      await ask({ ...sampled, seed: 8 }),
    ];
    expect(again.text).toBe(first.text);
    expect(other.text).not.toBe(first.text);
    expect((await ask({ ...sampled, seed: 7, logprobs: 2 })).text).toBe(first.text);
  });

  test('top_p near zero is greedy at any temperature', async () => {
    const greedy = await ask({ maxTokens: 8 });
    expect((await ask({ maxTokens: 8, temperature: 2, topP: 0.0001 })).text).toBe(greedy.text);
  });

  test('a stop string ends the text and is not in it; max tokens ends it as length', async () => {
    const tokens = { kind: 'tokens', tokens: oracle().greedy.prompt_ids } as const;
    const stopped = await ask({ prompt: tokens, stop: ['nce is P', 'xyz'] });
    expect(stopped.text).toBe('The capital of Fra');
    expect(stopped.end.finishReason).toBe('stop');
    const cut = await ask({ prompt: tokens, maxTokens: 3 });
    expect(cut.text).toBe('The capital of');
    expect(cut.end).toMatchObject({ finishReason: 'length', completionTokens: 3 });
    expect((await ask({ prompt: tokens, maxTokens: 0 })).text).toBe('');
  });

  test('log-probabilities are the model’s own at any temperature', async () => {
    const prompt = { kind: 'tokens', tokens: oracle().greedy.prompt_ids } as const;
    const cold = await ask({ prompt, logprobs: 3 });
    const marks = cold.pieces.flatMap(({ logprobs }) => logprobs ?? []);
    expect(marks.map(({ token }) => token).join('')).toBe(cold.text);
    for (const { top, token, logprob } of marks) {
      expect(top).toHaveLength(3);
      expect(top[0]).toMatchObject({ token, logprob });
      expect(top.reduce((sum, one) => sum + Math.exp(one.logprob), 0)).toBeLessThanOrEqual(1.0001);
    }
    const warm = await ask({ prompt, logprobs: 3, temperature: 0.01, topP: 0.5 });
    const warmMarks = warm.pieces.flatMap(({ logprobs }) => logprobs ?? []);
    for (const [i, { logprob }] of warmMarks.entries()) {
      expect(logprob).toBeCloseTo(marks[i]!.logprob, 2);
    }
    // The same numbers as scoring the whole text at once.
    const ids = [...oracle().greedy.prompt_ids, ...oracle().greedy.ids];
    const scores = await hosts.score(MODEL, null, ids);
    const answer = scores.slice(oracle().greedy.prompt_ids.length - 1);
    for (const [i, { logprob }] of marks.entries()) expect(logprob).toBeCloseTo(answer[i]!, 1);
  });

  test('scores differ from exact 32-bit ones by what 8-bit activations cost', async () => {
    const errors: number[] = [];
    for (const { ids, token_logprobs: exact } of oracle().prompts) {
      const scores = await hosts.score(MODEL, null, ids);
      expect(scores).toHaveLength(ids.length - 1);
      errors.push(...scores.map((score, i) => Math.abs(score - exact[i]!)));
    }
    const mean = errors.reduce((a, b) => a + b) / errors.length;
    expect(mean).toBeLessThan(0.15); // Q4_1 weights: llama.cpp rounds each row's input to 8 bits
    expect(await hosts.score(MODEL, null, [1])).toEqual([]);
  });

  test('a row that fills the context can be scored, a longer one not', async () => {
    const full = Array.from({ length: 512 }, (_, i) => 300 + (i % 60));
    const scores = await hosts.score(MODEL, null, full);
    expect(scores).toHaveLength(511);
    expect(scores.every(Number.isFinite)).toBe(true);
    // Nothing was shifted out to make room: the beginning scores as it does alone, but for what
    // llama.cpp's kernels for large batches round away (0.5 at single tokens, 0.1 on average).
    const head = await hosts.score(MODEL, null, full.slice(0, 40));
    const differences = head.map((score, i) => Math.abs(score - scores[i]!));
    const mean = differences.reduce((sum, difference) => sum + difference) / head.length;
    expect(mean).toBeLessThan(0.3);
    await expect(hosts.score(MODEL, null, [...full, 300])).rejects.toMatchObject({
      code: 'context_length_exceeded',
    });
  });

  test('a prompt longer than the context names the field and the numbers', async () => {
    const long = 'word '.repeat(600);
    await expect(ask({ prompt: chat(long) })).rejects.toMatchObject({
      code: 'context_length_exceeded',
      param: 'messages',
      status: 400,
      message: expect.stringContaining('maximum context length is 512 tokens'),
    });
    await expect(ask({ prompt: { kind: 'text', text: long } })).rejects.toMatchObject({
      code: 'context_length_exceeded',
      param: 'prompt',
    });
    await expect(ask({ maxTokens: 512 })).rejects.toMatchObject({
      code: 'context_length_exceeded',
      message: expect.stringContaining('512 in the completion'),
    });
  });

  test('messages that the template refuses, and unknown token ids, are the caller’s mistake', async () => {
    await expect(
      ask({ prompt: { kind: 'chat', messages: [{ role: 'user', content: { a: 1 } }] } }),
    ).rejects.toMatchObject({ code: 'invalid_value', param: 'messages', status: 400 });
    await expect(ask({ prompt: { kind: 'tokens', tokens: [1, 1e6] } })).rejects.toMatchObject({
      code: 'invalid_value',
      param: 'prompt',
    });
  });

  test('without a limit the answer ends where the context is full', async () => {
    const tokens = Array.from({ length: 500 }, () => 28);
    const { end } = await ask({
      prompt: { kind: 'tokens', tokens },
      maxTokens: null,
      temperature: 1,
    });
    expect(end.promptTokens + end.completionTokens).toBeLessThanOrEqual(512);
    if (end.finishReason === 'length') expect(end.completionTokens).toBe(12);
  });

  test('an aborted request ends at once and its place is free again', async () => {
    const abort = new AbortController();
    const events = hosts.sample(MODEL, request({ maxTokens: 400, temperature: 1 }), abort.signal);
    await events.next();
    abort.abort();
    await expect(events.next()).rejects.toThrow();
    for await (const event of hosts.sample(MODEL, request({ maxTokens: 400 }))) {
      expect(event.type).toBe('piece');
      break; // leaving the loop cancels too
    }
    expect(hosts.running()).toMatchObject([{ requests: 0 }]);
    expect((await Promise.all([1, 2, 3, 4].map(() => ask({ maxTokens: 2 })))).length).toBe(4);
  });

  test('one request more than the bound is refused at once; the others are answered', async () => {
    const asked = Array.from({ length: 7 }, () => ask({ maxTokens: 4 }).catch((error) => error));
    const answers = await Promise.all(asked);
    expect(answers.filter((answer) => 'text' in answer)).toHaveLength(6);
    expect(answers.find((answer) => !('text' in answer))).toMatchObject({
      code: 'overloaded',
      status: 503,
    });
  });

  test('kill -9 of the host fails what is in flight; the next request starts it again', async () => {
    const events = hosts.sample(MODEL, request({ maxTokens: 400, temperature: 1 }));
    await events.next();
    process.kill(hosts.running()[0]!.pid, 'SIGKILL');
    const rest = async () => {
      for await (const _ of events);
    };
    await expect(rest()).rejects.toMatchObject({ code: 'model_host_crashed', status: 503 });
    expect((await ask({ maxTokens: 3 })).end.completionTokens).toBe(3);
  });
});

test('a file that is no model is an error with the path, every time it is asked for', async () => {
  const hosts = new Hosts({ memoryBytes: 4e9 });
  const folder = await mkdtemp(join(tmpdir(), 'tunery-host-'));
  const path = join(folder, 'broken.gguf');
  await expect(hosts.warm(path)).rejects.toMatchObject({ code: 'model_file_missing' });
  await writeFile(path, 'not a model');
  for (let i = 0; i < 2; i++) {
    await expect(hosts.warm(path)).rejects.toMatchObject({
      status: 500,
      message: expect.stringContaining('broken.gguf'),
    });
  }
  await hosts.close();
});

test('a model that was cut off is named with what is missing', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'tunery-host-')), 'cut.gguf');
  await writeFile(path, readFileSync('assets/models/stories260K.gguf').subarray(0, 500_000));
  const hosts = new Hosts({ memoryBytes: 1e9 });
  await expect(hosts.warm(path)).rejects.toThrow(
    `${path} is truncated: tensor 'blk.1.ffn_down.weight' ends at byte 518784, the file has 500000. Get the file again.`,
  );
  await hosts.close();
});

test('under a tight memory budget the model that was used longest ago makes room', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-host-'));
  const [a, b] = [join(folder, 'a.gguf'), join(folder, 'b.gguf')];
  for (const path of [a, b]) await copyFile('assets/models/stories260K.gguf', path);
  const hosts = new Hosts({ memoryBytes: 1.5e6, host: { contextLength: 64, parallel: 1 } });
  const loaded = () => hosts.running().map(({ baseModel }) => baseModel);
  expect(await hosts.score(a, null, [1, 2, 3])).toHaveLength(2);
  expect(loaded()).toEqual([a]);
  expect(await hosts.score(b, null, [1, 2, 3])).toHaveLength(2);
  expect(loaded()).toEqual([b]);
  const events = hosts.sample(b, request({ prompt: { kind: 'text', text: 'Once' } }));
  await events.next();
  await expect(hosts.score(a, null, [1, 2])).rejects.toMatchObject({ code: 'overloaded' });
  await events.return(undefined);
  expect(await hosts.score(a, null, [1, 2])).toHaveLength(1);
  await hosts.close();
  expect(loaded()).toEqual([]);
});
