// response_format on the tiny model, whose weights know nothing of JSON: what comes out must be JSON all
// the same, and fit the schema.
import { Ajv } from 'ajv';
import type OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../src/testing/model-server.ts';

let server: Awaited<ReturnType<typeof startModelServer>>;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

type Params = Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>;
const ask = (params: Params) =>
  server.client.chat.completions.create({
    model: TINY,
    messages: [{ role: 'user', content: 'Tell me about Tim as JSON.' }],
    temperature: 0,
    ...params,
  });
const format = (schema: Record<string, unknown>) => ({
  response_format: { type: 'json_schema' as const, json_schema: { name: 'answer', schema } },
});
const PERSON = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    name: { type: 'string', description: 'who', maxLength: 12 },
    age: { type: 'integer', minimum: 0, maximum: 120 },
    mood: { enum: ['glad', 'sad'] },
    pets: { type: 'array', items: { $ref: '#/definitions/pet' }, maxItems: 3 },
    note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    share: { type: 'number', exclusiveMinimum: 0, maximum: 1 },
  },
  required: ['name', 'age', 'mood', 'pets', 'note', 'share'],
  additionalProperties: false,
  definitions: {
    pet: { type: 'object', properties: { kind: { type: 'string' } }, required: ['kind'] },
  },
};
const valid = new Ajv({ strict: false }).compile(PERSON);

test('json_schema: valid at any temperature, seed and length', { timeout: 120_000 }, async () => {
  for (const [seed, max_tokens] of [[1], [2], [3, 60], [4, 120], [5, 90], [6, 300]] as const) {
    const { choices, usage } = await ask({
      ...format(PERSON),
      temperature: seed % 2 === 0 ? 2 : 1,
      seed,
      ...(max_tokens && { max_tokens }),
    });
    const [choice] = choices;
    const value: unknown = JSON.parse(choice!.message.content!);
    expect([value, valid(value)]).toEqual([value, true]);
    expect(['stop', 'length']).toContain(choice!.finish_reason);
    if (max_tokens) expect(usage!.completion_tokens).toBeLessThanOrEqual(max_tokens);
  }
});

test('json_object: always one object, and a stream says the same', async () => {
  const json = { response_format: { type: 'json_object' as const }, max_tokens: 80 };
  const whole = (await ask(json)).choices[0]!.message.content!;
  expect(JSON.parse(whole)).toBeTypeOf('object');
  const stream = await server.client.chat.completions.create({
    model: TINY,
    messages: [{ role: 'user', content: 'Tell me about Tim as JSON.' }],
    temperature: 0,
    stream: true,
    ...json,
  });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe(whole);
  for (const seed of [1, 2, 3])
    JSON.parse((await ask({ ...json, temperature: 1.5, seed })).choices[0]!.message.content!);
});

test('an answer that is complete ends with stop; too little room is cut as length', async () => {
  const short = await ask(format({ enum: ['yes', 'no'] }));
  expect(['"yes"', '"no"']).toContain(short.choices[0]!.message.content);
  expect(short.choices[0]!.finish_reason).toBe('stop');
  const cut = await ask({ ...format(PERSON), max_tokens: 3 });
  expect(cut.choices[0]!.finish_reason).toBe('length');
  expect(cut.usage!.completion_tokens).toBe(3);
});

test('limits within limits are no trouble', async () => {
  const item = { type: 'string', maxLength: 1000 };
  const list = { type: 'array', items: item, maxItems: 1000 };
  const { choices } = await ask({
    ...format({ type: 'array', items: list, maxItems: 50 }),
    max_tokens: 50,
  });
  expect(JSON.parse(choices[0]!.message.content!)).toBeInstanceOf(Array);
});

test('log-probabilities go along with the text', async () => {
  const { choices } = await ask({ ...format({ type: 'boolean' }), logprobs: true });
  const tokens = choices[0]!.logprobs!.content!.map(({ token }) => token);
  expect(tokens.join('')).toBe(choices[0]!.message.content);
});

test('what the grammar cannot keep is refused with its place', async () => {
  const refused = ask(
    format({ type: 'object', properties: { a: { type: 'string', pattern: 'x' } } }),
  );
  await expect(refused).rejects.toMatchObject({
    status: 400,
    param: 'response_format.json_schema.schema.properties.a.pattern',
  });
  await expect(ask(format({ anyOf: [{ $ref: '#' }, { $ref: '#' }] }))).rejects.toMatchObject({
    status: 400,
  });
  await expect(
    ask({ response_format: { type: 'xml' } as unknown as { type: 'text' } }),
  ).rejects.toMatchObject({ status: 400 });
});
