import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { say } from '../../messages/say.ts';
import { type AskSettings, askAll, type ChatBody, type Question } from './ask.ts';
import { endpointAsker, type Waiting } from './endpoint.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-ask-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Reply = { status?: number; headers?: Record<string, string>; body?: unknown } | Error;
const completion = (content: string) => ({
  body: {
    choices: [{ message: { role: 'assistant', content } }],
    usage: { prompt_tokens: 7, completion_tokens: 3 },
  },
});
const error = (status: number, message: string, headers = {}) => ({
  status,
  headers,
  body: { error: { message } },
});

/** An endpoint that gives these answers one after the other, then the last one for ever. */
function endpoint(replies: readonly Reply[], more: { timeoutMs?: number } = {}) {
  const asked: { url: string; body: ChatBody; key: string | undefined }[] = [];
  const waits: Waiting[] = [];
  const stop = new AbortController();
  const ask = endpointAsker(
    {
      baseUrl: 'http://teacher.test/v1',
      apiKey: 'sk-own',
      pauseMs: 1,
      onWait: (wait) => waits.push(wait),
      fetch: async (url, init) => {
        const reply = replies[Math.min(asked.length, replies.length - 1)]!;
        const headers = new Headers(init.headers);
        asked.push({
          url,
          body: JSON.parse(String(init.body)),
          key: headers.get('authorization') ?? undefined,
        });
        if (reply instanceof Error) throw reply;
        if (reply.body === 'never')
          return new Promise((_, reject) => {
            init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
          });
        const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body);
        return new Response(text, { status: reply.status ?? 200, headers: reply.headers ?? {} });
      },
      ...more,
    },
    stop.signal,
  );
  return { ask, asked, waits, stop };
}

const BODY: ChatBody = {
  model: 'teacher',
  messages: [{ role: 'user', content: 'Why?' }],
  max_tokens: 10,
  temperature: 0,
};

test('a rate limit is waited for as long as the endpoint says, and told', async () => {
  const { ask, asked, waits } = endpoint([
    error(429, 'slow down', { 'retry-after': '1' }),
    error(429, 'slow down', { 'retry-after-ms': '1' }),
    completion('Because.'),
  ]);
  const start = performance.now();
  expect(await ask(BODY)).toEqual({
    text: 'Because.',
    promptTokens: 7,
    completionTokens: 3,
    cut: false,
  });
  expect(performance.now() - start).toBeGreaterThan(990);
  expect(asked).toHaveLength(3);
  expect(asked[0]).toMatchObject({
    url: 'http://teacher.test/v1/chat/completions',
    key: 'Bearer sk-own',
  });
  expect(waits).toEqual([{ seconds: 1, reason: expect.stringContaining('slow down') }]);
});

test('errors that pass are tried again: overload, a page instead of JSON, a lost connection', async () => {
  const lost = new TypeError('fetch failed', {
    cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
  });
  const { ask, asked } = endpoint([
    error(503, 'overloaded'),
    { body: '<html>Bad gateway</html>' },
    lost,
    completion('Because.'),
  ]);
  expect((await ask(BODY)).text).toBe('Because.');
  expect(asked).toHaveLength(4);
});

test.each([
  ['a wrong key', error(401, 'bad key'), 'key_refused', 'bad key', 1],
  ['an unknown model', error(404, 'no such model'), 'model_not_found', 'no model "teacher"', 1],
  [
    'a used-up quota',
    { status: 429, body: { error: { message: 'pay', code: 'insufficient_quota' } } },
    'quota_used_up',
    'pay',
    1,
  ],
  ['a question that it refuses', error(400, 'too long'), 'question_refused', 'too long', 1],
  [
    'a redirect',
    { status: 307, headers: { location: 'http://other.test/' }, body: '' },
    'redirected',
    'http://other.test/',
    1,
  ],
  [
    'an hour to wait',
    error(429, 'come back', { 'retry-after': '3600' }),
    'model_failed',
    'come back',
    1,
  ],
  ['an overload that lasts', error(500, 'out of order'), 'model_failed', 'out of order', 6],
  ['pages that never are JSON', { body: '<html>Welcome</html>' }, 'not_a_completion', 'Welcome', 6],
  [
    'nobody there',
    new TypeError('fetch failed', {
      cause: Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
    }),
    'unreachable',
    'ECONNREFUSED',
    1,
  ],
] as const)('%s is an error that says what it is', async (_, reply, code, message, times) => {
  const { ask, asked } = endpoint([reply]);
  await expect(ask(BODY)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
  expect(asked).toHaveLength(times);
});

test('who does not answer in time is asked again', async () => {
  const { ask, asked } = endpoint([{ body: 'never' }, completion('Late.')], { timeoutMs: 20 });
  expect((await ask(BODY)).text).toBe('Late.');
  expect(asked).toHaveLength(2);
});

test('an abort ends the waiting at once', async () => {
  const { ask, stop } = endpoint([error(429, 'slow down', { 'retry-after': '60' })]);
  const asking = ask(BODY);
  setTimeout(() => stop.abort(new Error('enough')), 20);
  await expect(asking).rejects.toThrow();
});

const question = (content: string, format?: object): Question => ({
  messages: [{ role: 'user', content }],
  ...(format && { format }),
});
const questions = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((text) => question(text));
const settings = (name: string, more: Partial<AskSettings> = {}): AskSettings => ({
  model: 'teacher',
  endpoint: 'http://teacher.test/v1',
  maxTokens: 10,
  temperature: 0,
  seed: 1,
  parallel: 1,
  memory: join(folder, name),
  ...more,
});
const asking = (replies: readonly Reply[]) => {
  const { ask, asked } = endpoint(replies);
  return { ask, asked, onPlan: () => {}, onTold: () => {}, say };
};

test('what was answered before a failure is not asked again, even if the last line was cut off', async () => {
  const first = asking([completion('1'), completion('2'), error(401, 'bad key')]);
  await expect(askAll(questions, settings('memory'), first)).rejects.toThrow('bad key');
  const lines = readFileSync(join(folder, 'memory'), 'utf8');
  expect(lines.match(/\n/g)).toHaveLength(2);
  const { appendFileSync } = await import('node:fs');
  appendFileSync(join(folder, 'memory'), '{"key":"half');
  const second = asking([completion('x')]);
  const { answers, told } = await askAll(questions, settings('memory'), second);
  expect(second.asked.map(({ body }) => body.messages[0]!.content).join('')).toBe('cdefg');
  expect(answers.map((answer) => 'text' in answer && answer.text)).toEqual([...'12xxxxx']);
  expect(told).toMatchObject({ done: 7, remembered: 2, promptTokens: 49 });
  const third = asking([completion('y')]);
  await askAll(questions, settings('memory'), third);
  expect(third.asked).toEqual([]);
});

test('another seed, temperature or endpoint is another question', async () => {
  const more = [
    {},
    { seed: 2 },
    { temperature: 1 },
    { endpoint: 'http://other.test/v1' },
    { seed: null },
  ];
  for (const change of more) {
    const { asked, ...rest } = asking([completion('x')]);
    await askAll(questions.slice(0, 1), settings('settings', change), rest);
    expect(asked).toHaveLength(1);
    expect(asked[0]!.body.seed).toBe('seed' in change ? (change.seed ?? undefined) : 1);
  }
});

test('what is under way when another question fails is waited for and kept', async () => {
  let turn = 0;
  const ask = async () => {
    if (++turn === 1) throw Object.assign(new Error('down'), {});
    await new Promise((resolve) => setTimeout(resolve, 30));
    return { text: 'kept', promptTokens: 1, completionTokens: 1, cut: false };
  };
  const run = askAll(questions, settings('kept', { parallel: 3 }), { ask, onTold: () => {} });
  await expect(run).rejects.toThrow('down');
  expect(readFileSync(join(folder, 'kept'), 'utf8').match(/\n/g)).toHaveLength(2);
});

test('a single refused question is noted and the others go on; when all are, the run ends', async () => {
  const one = asking([completion('1'), error(400, 'filtered'), completion('3')]);
  const { answers } = await askAll(questions, settings('refused'), one);
  expect(answers[1]).toEqual({ refused: expect.stringContaining('filtered') });
  expect(answers[6]).toMatchObject({ text: '3' });
  const all = asking([error(400, 'no such parameter')]);
  await expect(askAll(questions, settings('hopeless'), all)).rejects.toThrow('no such parameter');
  expect(all.asked).toHaveLength(5);
  const single = asking([error(400, 'filtered')]);
  await expect(askAll(questions.slice(0, 1), settings('single'), single)).rejects.toThrow(
    'filtered',
  );
});

test('JSON by a schema is asked for until the endpoint says that it knows none', async () => {
  const format = { type: 'json_schema', json_schema: {} };
  const { asked, ...rest } = asking([
    error(400, 'response_format is not supported'),
    completion('x'),
  ]);
  const two = [question('a', format), question('b', format)];
  await askAll(two, settings('format'), rest);
  expect(asked.map(({ body }) => body.response_format !== undefined)).toEqual([true, false, false]);
});

test('an answer is no longer than the context has room for, and newer endpoints are asked in their words', async () => {
  const tooLong =
    "This model's maximum context length is 512 tokens. However, you requested 1062 tokens (438 in the messages, 624 in the completion).";
  const small = asking([error(400, tooLong), completion('x')]);
  await askAll(questions.slice(0, 1), settings('room', { maxTokens: 624 }), small);
  expect(small.asked.map(({ body }) => body.max_tokens)).toEqual([624, 74]);
  const newer =
    "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
  const words = asking([error(400, newer), completion('x')]);
  await askAll(questions.slice(0, 2), settings('words'), words);
  expect(words.asked.map(({ body }) => [body.max_tokens, body.max_completion_tokens])).toEqual([
    [10, undefined],
    [undefined, 10],
    [undefined, 10],
  ]);
  const full = asking([error(400, tooLong.replace('438', '510')), completion('x')]);
  await expect(askAll(questions.slice(0, 1), settings('full'), full)).rejects.toThrow('512 tokens');
});
