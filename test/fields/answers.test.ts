// Fields of chat, completions, responses and embeddings that say how to answer, where no other test shows
// it: what each does to an answer of the tiny model. fields.md (test/conformance) names these tests.
import type OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TINY } from '../../src/testing/model-server.ts';
import { messages, startAsking } from './tiny-model.ts';

let server: Awaited<ReturnType<typeof startAsking>>;
beforeAll(async () => {
  server = await startAsking();
});
afterAll(() => server.close());

const ASK: Readonly<Record<string, (params: object) => Promise<string | null>>> = {
  chat: (params) => server.chatText(params),
  completions: async (params) => (await server.completion(params)).choices[0]!.text,
  responses: async (params) => (await server.respond(params)).output_text,
};
test.each(Object.keys(ASK))(
  'heat makes the answers of %s differ, and a small top_p cools them again',
  async (name) => {
    const ask = ASK[name]!;
    const cold = await ask({});
    expect(await ask({})).toBe(cold);
    const hot = await Promise.all([1, 2, 3].map(() => ask({ temperature: 2 })));
    expect(new Set(hot).size).toBeGreaterThan(1);
    expect(await ask({ temperature: 2, top_p: 0.000001 })).toBe(cold);
  },
);

test('a seed repeats an answer of chat, and n choices differ', async () => {
  const params = { temperature: 1.5, seed: 4, n: 3 };
  const texts = async () =>
    (await server.chat(params)).choices.map(({ message }) => message.content);
  const first = await texts();
  expect(await texts()).toEqual(first);
  expect(new Set(first).size).toBe(3);
});

test('chat ends at a stop string or at max_completion_tokens, which wins over max_tokens', async () => {
  const text = (await server.chatText())!;
  const stop = text.slice(8, 12);
  expect(await server.chatText({ stop: ['never said', stop] })).toBe(
    text.slice(0, text.indexOf(stop)),
  );
  const cut = await server.chat({ max_tokens: 12, max_completion_tokens: 3 });
  expect([cut.usage!.completion_tokens, cut.choices[0]!.finish_reason]).toEqual([3, 'length']);
  expect((await server.chat({ max_tokens: 5 })).usage!.completion_tokens).toBe(5);
});

test('biases and penalties change what chat says, and those of 0 do not', async () => {
  const plain = await server.chat({ max_tokens: 40, logprobs: true });
  const text = plain.choices[0]!.message.content!;
  for (const name of ['presence_penalty', 'frequency_penalty']) {
    expect(await server.chatText({ max_tokens: 40, [name]: 2 })).not.toBe(text);
    expect(await server.chatText({ max_tokens: 40, [name]: 0 })).toBe(text);
  }
  const forced = await server.chatText({ logit_bias: { 410: 100 }, max_tokens: 2 });
  expect(forced).not.toBe(text.slice(0, forced!.length));
});

test('top_logprobs is how many alternatives a token of chat has', async () => {
  for (const top_logprobs of [0, 3]) {
    const { content } = (await server.chat({ logprobs: true, top_logprobs })).choices[0]!.logprobs!;
    for (const token of content!) expect(token.top_logprobs).toHaveLength(top_logprobs);
  }
  expect((await server.chat()).choices[0]!.logprobs).toBeNull();
});

const PATTERN = { type: 'object', properties: { a: { type: 'string', pattern: '^x' } } };
test('strict: false lets a schema be kept as far as it can be; otherwise what cannot be is refused', async () => {
  const ofChat = (strict?: boolean) =>
    server.chatText({
      max_tokens: 60,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: PATTERN, strict } },
    });
  const ofResponses = async (strict?: boolean) =>
    (
      await server.respond({
        max_output_tokens: 60,
        text: { format: { type: 'json_schema', name: 'x', schema: PATTERN, strict } },
      })
    ).output_text;
  for (const [ask, param] of [
    [ofChat, 'response_format.json_schema.schema.properties.a.pattern'],
    [ofResponses, 'text.format.schema.properties.a.pattern'],
  ] as const) {
    expect(JSON.parse((await ask(false))!)).toBeTypeOf('object');
    for (const strict of [true, undefined])
      await expect(ask(strict)).rejects.toMatchObject({ status: 400, param });
  }
});

test('the name of a schema must be one; its description changes nothing', async () => {
  const format = (more: object) => ({
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { enum: ['yes', 'no'] }, ...more },
    },
  });
  expect(await server.chatText(format({ description: 'A verdict.' }))).toBe(
    await server.chatText(format({})),
  );
  await expect(server.chat(format({ name: 'a b' }))).rejects.toMatchObject({
    status: 400,
    param: 'response_format.json_schema.name',
  });
  const text = { format: { type: 'json_schema', name: 'a b', schema: { type: 'object' } } };
  await expect(server.respond({ text })).rejects.toMatchObject({
    status: 400,
    param: 'text.format.name',
  });
});

test('responses answer with one object for json_object', async () => {
  const { output_text } = await server.respond({
    text: { format: { type: 'json_object' } },
    max_output_tokens: 60,
  });
  expect(JSON.parse(output_text)).toBeTypeOf('object');
});

test('what is ignored changes nothing', async () => {
  const said = await server.chatText();
  for (const more of [
    { user: 'u', safety_identifier: 's', metadata: { a: 'b' }, prompt_cache_key: 'k' },
    { prompt_cache_retention: '24h', service_tier: 'flex', reasoning_effort: 'high' },
    { verbosity: 'low', prediction: { type: 'content', content: 'x' } },
  ])
    expect(await server.chatText(more), JSON.stringify(more)).toBe(said);
  expect((await server.completion({ user: 'u' })).choices).toEqual(
    (await server.completion()).choices,
  );
  const { output_text } = await server.respond();
  for (const more of [
    { reasoning: { effort: 'high' }, service_tier: 'flex', prompt_cache_retention: '24h' },
    { stream_options: { include_obfuscation: false } },
  ])
    expect((await server.respond(more)).output_text, JSON.stringify(more)).toBe(output_text);
  const vector = async (more: object) =>
    (await server.client.embeddings.create({ model: TINY, input: 'Tim', ...more })).data;
  expect(await vector({ user: 'u' })).toEqual(await vector({}));
});

test('responses repeat what only names the request', async () => {
  const named = {
    user: 'u',
    safety_identifier: 's',
    prompt_cache_key: 'k',
    max_tool_calls: 3,
    metadata: { a: 'b' },
  };
  expect(await server.respond(named)).toMatchObject(named);
});

test('top_logprobs and include bring log-probabilities into a response', async () => {
  const logprobs = async (params: object) => {
    const [item] = (await server.respond(params))
      .output as OpenAI.Responses.ResponseOutputMessage[];
    const [part] = item!.content as OpenAI.Responses.ResponseOutputText[];
    return part!.logprobs ?? [];
  };
  expect(await logprobs({})).toEqual([]);
  const chosen = await logprobs({ include: ['message.output_text.logprobs'] });
  expect(chosen).toHaveLength(16);
  expect(chosen[0]!.top_logprobs).toEqual([]);
  for (const token of await logprobs({ top_logprobs: 2 }))
    expect(token.top_logprobs).toHaveLength(2);
});

test.each([
  ['/chat/completions', { messages }, 'store', true],
  ['/chat/completions', { messages }, 'modalities', ['text', 'audio']],
  ['/chat/completions', { messages }, 'audio', { voice: 'alloy' }],
  ['/chat/completions', { messages }, 'web_search_options', {}],
  ['/chat/completions', { messages }, 'suffix', 'x'],
  ['/completions', { prompt: 'a' }, 'store', true],
  ['/completions', { prompt: 'a' }, 'modalities', ['audio']],
  ['/completions', { prompt: 'a' }, 'audio', {}],
  ['/completions', { prompt: 'a' }, 'web_search_options', {}],
  ['/completions', { prompt: 'a' }, 'suffix', 'x'],
  ['/responses', { input: 'a' }, 'conversation', 'conv_1'],
  ['/responses', { input: 'a' }, 'prompt', { id: 'pmpt_1' }],
])('POST /v1%s %j refuses %s by name', async (path, body, param, value) => {
  const answer = await server.post(path, { model: TINY, ...body, [param]: value });
  const { error } = (await answer.json()) as { error: { param: string; code: string } };
  expect([answer.status, error.param, error.code]).toEqual([400, param, 'unsupported_parameter']);
});

test('the items of a response are listed in either order, page by page', async () => {
  const said = ['one', 'two', 'three'];
  const { id } = await server.respond({
    input: said.map((content) => ({ role: 'user', content })),
  });
  const list = async (query: object) => {
    const page = await server.client.responses.inputItems.list(id, query);
    return page.data.map((item) => JSON.stringify(item));
  };
  const newest = await list({});
  expect(newest).toHaveLength(3);
  expect(newest[0]).toContain('three');
  expect(await list({ order: 'asc' })).toEqual(newest.toReversed());
  expect(await list({ limit: 2 })).toEqual(newest.slice(0, 2));
  const after = (JSON.parse(newest[0]!) as { id: string }).id;
  expect(await list({ after })).toEqual(newest.slice(1));
});
