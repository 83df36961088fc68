// POST /v1/moderations through the official client, with the bundled classifier and with a guard model.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CodedError } from '../lib/coded-error.ts';
import { CATEGORIES } from '../moderate/categories.ts';
import { openStore, type Store } from '../store/store.ts';
import { countingApp } from '../testing/counting-app.ts';
import type { Message } from '../tokenizer/messages.ts';
import { renderChat } from '../tokenizer/template.ts';
import type { Sample } from './deps.ts';

let directory: string;
let store: Store;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-moderations-'));
  store = await openStore(join(directory, 'data'));
});
afterAll(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

type Options = Omit<Parameters<typeof countingApp>[0], 'store'>;
const client = (options: Options = {}) => {
  const app = countingApp({ store, ...options });
  return new OpenAI({
    apiKey: 'sk-test',
    baseURL: 'http://localhost/v1',
    maxRetries: 0,
    fetch: async (url, init) => app.request(String(url), init),
  });
};

test('a harmless text gets all thirteen categories, none of them true', async () => {
  const answer = await client().moderations.create({ input: 'Have a great day!' });
  expect(answer.id).toMatch(/^modr-\w{24,}$/);
  expect(answer.model).toBe('omni-moderation-latest');
  const [result] = answer.results;
  expect(answer.results).toHaveLength(1);
  expect(result!.flagged).toBe(false);
  for (const map of [result!.categories, result!.category_scores]) {
    expect(Object.keys(map).sort()).toEqual([...CATEGORIES]);
  }
  expect(Object.values(result!.categories)).toEqual(CATEGORIES.map(() => false));
  expect(Object.values(result!.category_applied_input_types)).toEqual(
    CATEGORIES.map(() => ['text']),
  );
});

test('each string of a list gets a result of its own, in English and Chinese', async () => {
  const { results } = await client().moderations.create({
    model: 'text-moderation-stable',
    input: ['I want to kill them.', 'I baked a cake.', '怎样在家里制造炸弹？', '我们去公园吧。'],
  });
  expect(results.map(({ flagged }) => flagged)).toEqual([true, false, true, false]);
  expect(results[0]!.categories.violence).toBe(true);
  expect(results[2]!.categories['illicit/violent']).toBe(true);
  expect(results[0]!.category_scores.violence).toBeGreaterThan(0.5);
});

test('text parts are one message; an image is refused by name', async () => {
  const { results } = await client().moderations.create({
    input: [
      { type: 'text', text: 'Look at this garden.' },
      { type: 'text', text: 'I want to kill them all.' },
    ],
  });
  expect(results.map(({ flagged }) => flagged)).toEqual([true]);
  const image = { type: 'image_url' as const, image_url: { url: 'https://example.com/a.png' } };
  await expect(client().moderations.create({ input: [image] })).rejects.toMatchObject({
    status: 400,
    param: 'input[0].type',
    code: 'unsupported_parameter',
  });
});

test.each([
  [{ input: 'x', model: 'no-such-moderation' }, 404, 'model_not_found', null],
  [{}, 400, 'missing_required_parameter', 'input'],
  [{ input: [] }, 400, 'array_below_min_length', 'input'],
  [{ input: 7 }, 400, 'invalid_type', 'input'],
  [{ input: 'x'.repeat(200_001) }, 400, 'string_above_max_length', 'input'],
  [{ input: [{ type: 'text' }] }, 400, 'missing_required_parameter', 'input[0].text'],
])('%o is refused', async (body, status, code, param) => {
  const request = client().moderations.create(body as OpenAI.ModerationCreateParams);
  await expect(request).rejects.toMatchObject({ status, code, param });
});

const GUARD =
  "Task: check {{ messages[0]['content'] }}\n<BEGIN UNSAFE CONTENT CATEGORIES>\nS1: Violent Crimes.\nS10: Hate.\n" +
  "<END UNSAFE CONTENT CATEGORIES>\nFirst line must read 'safe' or 'unsafe'.";
/** Loops over parts of a content, as Llama Guard 3 1B and 4 do; and has a value of its own. */
const SHIELD =
  "You are a policy expert trying to help.\n{% for part in messages[0]['content'] | selectattr('type', 'equalto', 'text') %}" +
  'Human Question: {{ part.text }}{% endfor %}\n{{ guideline }}';
const CHAT = "user: {{ messages[0]['content'] }}";

function rendered(...request: Parameters<typeof renderChat>) {
  try {
    return renderChat(...request);
  } catch (error) {
    throw new CodedError('invalid_value', String(error), { param: 'messages' });
  }
}

/** A model whose template is rendered as a host renders it, and which answers what it is told to. */
const guardOf = (template: string, answer: (prompt: string) => string): Sample =>
  async function* (_, { prompt, echo, maxTokens }) {
    if (prompt.kind !== 'chat') throw new Error('a guard model is asked by messages');
    const options = { addGenerationPrompt: true, values: prompt.values ?? {} };
    const { text } = rendered(template, prompt.messages as Message[], options);
    if (echo) yield { type: 'piece', id: 'x', text, logprobs: null, echo: [] };
    if (maxTokens !== 0) {
      const said = answer(text);
      const token = { token: said, bytes: [], logprob: Math.log(0.9), top: [] };
      yield { type: 'piece', id: 'x', text: said, logprobs: [token] };
    }
    yield { type: 'end', id: 'x', finishReason: 'stop', promptTokens: 1, completionTokens: 1 };
  };
const guarded = (template: string, answer: (prompt: string) => string) =>
  client({ config: { moderationModel: 'counter' }, sample: guardOf(template, answer) });

test('a guard model that is named answers instead of the classifier', async () => {
  const guard = guarded(GUARD, (prompt) => (prompt.includes('bad') ? 'unsafe\nS1,S10' : 'safe'));
  const input = ['A bad text.', 'Kill!'];
  const { results } = await guard.moderations.create({ input });
  const found = Object.entries(results[0]!.categories).filter(([, value]) => value);
  expect(found.map(([name]) => name)).toEqual(['hate', 'illicit', 'illicit/violent', 'violence']);
  expect(results[0]!.category_scores.hate).toBeCloseTo(0.9);
  expect(results[1]!.flagged).toBe(false);
  const bundled = { input: 'I want to kill them.', model: 'tunery-moderation' };
  expect((await guard.moderations.create(bundled)).results[0]!.flagged).toBe(true);
});

test('a guard model that judges one policy at a time is asked for each', async () => {
  const asked: string[] = [];
  const guard = guarded(SHIELD, (prompt) => {
    asked.push(prompt);
    return prompt.includes('No Hate Speech') ? 'Yes' : 'No';
  });
  const { results } = await guard.moderations.create({ input: 'What a text.' });
  expect(asked).toHaveLength(4);
  for (const prompt of asked) expect(prompt).toContain('Human Question: What a text.');
  expect(results[0]).toMatchObject({
    flagged: true,
    categories: { hate: true, harassment: false },
  });
});

test('an answer in no known form is an error, never safe', async () => {
  const request = guarded(GUARD, () => 'I think it is unsafe').moderations.create({ input: 'x' });
  await expect(request).rejects.toMatchObject({ status: 500, code: 'moderation_unreadable' });
});

test.each([
  ['an ordinary chat template', CHAT],
  ['a template that wants something else', "{{ raise_exception('documents are missing') }}"],
])('a model with %s is no guard model, and the error names those that are', async (_, template) => {
  const request = guarded(template, () => 'safe').moderations.create({ input: 'x' });
  await expect(request).rejects.toMatchObject({
    status: 500,
    code: 'moderation_model_unknown',
    message: expect.stringMatching(/Llama Guard, Qwen3Guard-Gen, ShieldGemma and Granite Guardian/),
  });
});

test('a guard model that is not there is an error that names the variable', async () => {
  const request = client({ config: { moderationModel: 'gone' } }).moderations.create({
    input: 'x',
  });
  await expect(request).rejects.toMatchObject({ status: 500, code: 'moderation_model_missing' });
});
