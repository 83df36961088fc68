// /v1/completions on the tiny model: what evaluation harnesses and sampling parameters rely on.
import type OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../src/testing/model-server.ts';

type ModelServer = Awaited<ReturnType<typeof startModelServer>>;
type Params = Partial<OpenAI.CompletionCreateParamsNonStreaming>;
let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const PROMPT = 'Once upon a time, there was a little';
const ask = (params: Params = {}) =>
  server.client.completions.create({
    model: TINY,
    prompt: PROMPT,
    temperature: 0,
    max_tokens: 12,
    ...params,
  });
type Logprobs = {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
};
const logprobsOf = (choice: OpenAI.CompletionChoice | undefined) => choice?.logprobs as Logprobs;

test('an echo with log-probabilities covers every token of the prompt and the answer', async () => {
  const { choices, usage } = await ask({ echo: true, logprobs: 2 });
  const { tokens, token_logprobs, top_logprobs, text_offset } = logprobsOf(choices[0]);
  expect(choices[0]!.text.startsWith(PROMPT)).toBe(true);
  expect(tokens.join('')).toBe(choices[0]!.text);
  for (const list of [token_logprobs, top_logprobs, text_offset])
    expect(list).toHaveLength(usage!.total_tokens);
  expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
  for (const [i, token] of tokens.entries()) {
    expect(choices[0]!.text.slice(text_offset[i]).startsWith(token)).toBe(true);
    if (i === 0) continue;
    expect(top_logprobs[i]![token]).toBe(token_logprobs[i]);
    expect(Object.keys(top_logprobs[i]!).length).toBeGreaterThanOrEqual(2);
    expect(Object.keys(top_logprobs[i]!).length).toBeLessThanOrEqual(3);
  }
  // What was generated greedily is the likeliest of its place.
  for (let i = usage!.prompt_tokens; i < tokens.length; i++)
    expect(token_logprobs[i]).toBe(Math.max(...Object.values(top_logprobs[i]!)));
});

test('the pattern of lm-eval: token ids in batches, echo, one token more; greedy rows are recognised', async () => {
  const text = await ask({ echo: true, logprobs: 0, max_tokens: 6 });
  const ids = await idsOf(text.choices[0]!.text);
  const other = ids.with(-2, ids.at(-2)! === 400 ? 401 : 400);
  const { choices, usage } = await ask({
    prompt: [ids, other],
    echo: true,
    max_tokens: 1,
    logprobs: 1,
  });
  expect(choices.map(({ index }) => index)).toEqual([0, 1]);
  expect(usage).toMatchObject({ prompt_tokens: 2 * ids.length, completion_tokens: 2 });
  const greedy = choices.map((choice) => {
    const { token_logprobs, top_logprobs } = logprobsOf(choice);
    expect(token_logprobs).toHaveLength(ids.length + 1);
    return token_logprobs
      .map((score, i) => score !== null && score === Math.max(...Object.values(top_logprobs[i]!)))
      .slice(ids.length - 6, -1);
  });
  expect(greedy[0]).toEqual([true, true, true, true, true, true]);
  expect(greedy[1]![4]).toBe(false);
});

test('max_tokens 0 with echo only scores, and agrees with what generation reported', async () => {
  const scored = await ask({ echo: true, logprobs: 1, max_tokens: 0 });
  expect(scored.choices[0]).toMatchObject({ text: PROMPT, finish_reason: 'length' });
  expect(scored.usage!.completion_tokens).toBe(0);
  const generated = await ask({ logprobs: 1 });
  const whole = await ask({
    prompt: PROMPT + generated.choices[0]!.text,
    echo: true,
    logprobs: 1,
    max_tokens: 0,
  });
  const { token_logprobs } = logprobsOf(generated.choices[0]);
  const tail = logprobsOf(whole.choices[0]).token_logprobs.slice(-token_logprobs.length);
  for (const [i, score] of token_logprobs.entries()) expect(tail[i]).toBeCloseTo(score!, 3);
});

test('a stream with echo and log-probabilities says the same as one answer', async () => {
  const whole = await ask({ echo: true, logprobs: 1 });
  const stream = await server.client.completions.create({
    model: TINY,
    prompt: PROMPT,
    temperature: 0,
    max_tokens: 12,
    echo: true,
    logprobs: 1,
    stream: true,
    stream_options: { include_usage: true },
  });
  const parts: Logprobs[] = [];
  let text = '';
  let usage: unknown = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.text ?? '';
    if (chunk.choices[0]?.logprobs) parts.push(logprobsOf(chunk.choices[0]));
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe(whole.choices[0]!.text);
  expect(usage).toEqual(whole.usage);
  const { tokens, text_offset } = logprobsOf(whole.choices[0]);
  expect(parts.flatMap((part) => part.tokens)).toEqual(tokens);
  expect(parts.flatMap((part) => part.text_offset)).toEqual(text_offset);
});

test('logprobs 0 names the chosen token only; without usage asked for no chunk has one', async () => {
  const { top_logprobs } = logprobsOf((await ask({ logprobs: 0 })).choices[0]);
  for (const top of top_logprobs) expect(Object.keys(top!)).toHaveLength(1);
  const answer = await server.post('/completions', { model: TINY, prompt: 'a', stream: true });
  const body = await answer.text();
  expect(body).not.toContain('usage');
  expect(body).not.toContain('error');
  expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('logit_bias −100 forbids a token and 100 forces it', async () => {
  const first = await ask({ max_tokens: 1, logprobs: 1 });
  const [id] = (await idsOf(PROMPT + first.choices[0]!.text)).slice(-1);
  const banned = await ask({ max_tokens: 1, logit_bias: { [id!]: -100 } });
  expect(banned.choices[0]!.text).not.toBe(first.choices[0]!.text);
  const [other] = (await idsOf('a dog')).slice(-1);
  const forced = await ask({ max_tokens: 3, logit_bias: { [other!]: 100 } });
  expect(new Set(await idsOf(forced.choices[0]!.text)).size).toBeLessThanOrEqual(3);
  expect(forced.choices[0]!.text.replaceAll(forced.choices[0]!.text.slice(0, 1), '')).toBe('');
  const long = await ask({ max_tokens: 400, prompt: 'Once', logit_bias: { 2: -100, 1: -100 } });
  expect(long.choices[0]!.finish_reason).toBe('length');
  await expect(ask({ logit_bias: { 99999: 1 } })).rejects.toMatchObject({ param: 'logit_bias' });
  await expect(ask({ logit_bias: { 5: 101 } })).rejects.toMatchObject({ status: 400 });
});

test('penalties follow the published formula', async () => {
  // The penalized choice is the one that the model's own log-probabilities and the formula give.
  for (const penalty of [{ presence_penalty: 2 }, { frequency_penalty: 1.5 }]) {
    const { choices } = await ask({ max_tokens: 30, logprobs: 5, ...penalty });
    const { tokens, token_logprobs, top_logprobs } = logprobsOf(choices[0]);
    const seen = new Map<string, number>();
    const cost = (token: string) => {
      const count = seen.get(token) ?? 0;
      const { presence_penalty: p = 0, frequency_penalty: f = 0 } = penalty as Params;
      return count * f! + (count > 0 ? p! : 0);
    };
    for (const [i, token] of tokens.entries()) {
      const best = Math.max(...Object.entries(top_logprobs[i]!).map(([t, s]) => s - cost(t)));
      expect(token_logprobs[i]! - cost(token)).toBeGreaterThan(best - 1e-4);
      seen.set(token, (seen.get(token) ?? 0) + 1);
    }
  }
  const plain = (await ask({ max_tokens: 60 })).choices[0]!.text;
  const free = (await ask({ max_tokens: 60, frequency_penalty: 2 })).choices[0]!.text;
  expect(free).not.toBe(plain);
  expect((await ask({ max_tokens: 60, frequency_penalty: 0 })).choices[0]!.text).toBe(plain);
});

test('choices of several prompts are in order; best_of keeps the likeliest', async () => {
  const params = { temperature: 1, seed: 5, max_tokens: 8 };
  const alone = await ask({ ...params, n: 2 });
  const both = await ask({ ...params, n: 2, prompt: [PROMPT, 'The dog'] });
  expect(both.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(both.choices.slice(0, 2).map(({ text }) => text)).toEqual(
    alone.choices.map(({ text }) => text),
  );
  const candidates = await ask({ ...params, n: 4, logprobs: 0 });
  const mean = (choice: OpenAI.CompletionChoice) => {
    const scores = logprobsOf(choice).token_logprobs as number[];
    return scores.reduce((a, b) => a + b, 0) / scores.length;
  };
  const best = candidates.choices.reduce((a, b) => (mean(b) > mean(a) ? b : a));
  const chosen = await ask({ ...params, n: 1, best_of: 4 });
  expect(chosen.choices.map(({ text }) => text)).toEqual([best.text]);
  expect(chosen.usage!.completion_tokens).toBe(candidates.usage!.completion_tokens);
});

test('too long is told with the numbers; an empty prompt starts a text', async () => {
  await expect(ask({ prompt: 'word '.repeat(600) })).rejects.toMatchObject({
    status: 400,
    code: 'context_length_exceeded',
    param: 'prompt',
    message: expect.stringMatching(/maximum context length is 512 tokens.*Please reduce/),
  });
  expect((await ask({ prompt: null as unknown as string, max_tokens: 3 })).choices).toHaveLength(1);
  const { choices } = await ask({ prompt: '', echo: true, logprobs: 1, max_tokens: 2 });
  expect(logprobsOf(choices[0]).token_logprobs[0]).toBeNull();
});

/** Token ids as the model's own tokenizer makes them. */
async function idsOf(text: string): Promise<number[]> {
  const { openModel } = await import('../src/weights/model-file.ts');
  const model = await openModel('assets/models/stories260K.gguf');
  const ids = (await model.tokenizer()).encode(text, { special: true });
  await model.close();
  return [...ids];
}
