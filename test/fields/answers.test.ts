// Fields of chat, completions, responses and embeddings that have no test elsewhere: what each does to an
// answer of the tiny model. fields.md (test/conformance) names these tests.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../../src/testing/model-server.ts';
import { withTemplate } from '../../src/testing/with-template.ts';

let server: Awaited<ReturnType<typeof startModelServer>>;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

type Chat = Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>;
const messages = [{ role: 'user' as const, content: 'Tell me about Tim.' }];
const chat = (params: object = {}) =>
  server.client.chat.completions.create({
    model: TINY,
    messages,
    temperature: 0,
    max_tokens: 12,
    ...(params as Chat),
  });
const chatText = async (params: object = {}) => (await chat(params)).choices[0]!.message.content;
const promptTokens = async (params: object) =>
  (await chat({ max_tokens: 1, ...params })).usage!.prompt_tokens;

const completion = (params: object = {}) =>
  server.client.completions.create({
    model: TINY,
    prompt: 'Once upon a time',
    temperature: 0,
    max_tokens: 12,
    ...params,
  });
const respond = (params: object = {}) =>
  server.client.responses.create({
    model: TINY,
    input: 'Tell me about Tim.',
    temperature: 0,
    max_output_tokens: 16,
    ...params,
  });

const ASK: Readonly<Record<string, (params: object) => Promise<string | null>>> = {
  chat: chatText,
  completions: async (params) => (await completion(params)).choices[0]!.text,
  responses: async (params) => (await respond(params)).output_text,
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
  const texts = async () => (await chat(params)).choices.map(({ message }) => message.content);
  const first = await texts();
  expect(await texts()).toEqual(first);
  expect(new Set(first).size).toBe(3);
});

test('chat ends at a stop string or at max_completion_tokens, which wins over max_tokens', async () => {
  const text = (await chatText())!;
  const stop = text.slice(8, 12);
  expect(await chatText({ stop: ['never said', stop] })).toBe(text.slice(0, text.indexOf(stop)));
  const cut = await chat({ max_tokens: 12, max_completion_tokens: 3 });
  expect([cut.usage!.completion_tokens, cut.choices[0]!.finish_reason]).toEqual([3, 'length']);
  expect((await chat({ max_tokens: 5 })).usage!.completion_tokens).toBe(5);
});

test('biases and penalties change what chat says, and those of 0 do not', async () => {
  const plain = await chat({ max_tokens: 40, logprobs: true });
  const text = plain.choices[0]!.message.content!;
  for (const name of ['presence_penalty', 'frequency_penalty']) {
    expect(await chatText({ max_tokens: 40, [name]: 2 })).not.toBe(text);
    expect(await chatText({ max_tokens: 40, [name]: 0 })).toBe(text);
  }
  const forced = await chatText({ logit_bias: { 410: 100 }, max_tokens: 2 });
  expect(forced).not.toBe(text.slice(0, forced!.length));
});

test('top_logprobs is how many alternatives a token of chat has', async () => {
  for (const top_logprobs of [0, 3]) {
    const { content } = (await chat({ logprobs: true, top_logprobs })).choices[0]!.logprobs!;
    for (const token of content!) expect(token.top_logprobs).toHaveLength(top_logprobs);
  }
  expect((await chat()).choices[0]!.logprobs).toBeNull();
});

const PATTERN = { type: 'object', properties: { a: { type: 'string', pattern: '^x' } } };
test('strict: false lets a schema be kept as far as it can be; otherwise what cannot be is refused', async () => {
  const ofChat = (strict?: boolean) =>
    chatText({
      max_tokens: 60,
      response_format: { type: 'json_schema', json_schema: { name: 'x', schema: PATTERN, strict } },
    });
  const ofResponses = async (strict?: boolean) =>
    (
      await respond({
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
  expect(await chatText(format({ description: 'A verdict.' }))).toBe(await chatText(format({})));
  await expect(chat(format({ name: 'a b' }))).rejects.toMatchObject({
    status: 400,
    param: 'response_format.json_schema.name',
  });
  const text = { format: { type: 'json_schema', name: 'a b', schema: { type: 'object' } } };
  await expect(respond({ text })).rejects.toMatchObject({ status: 400, param: 'text.format.name' });
});

test('responses answer with one object for json_object', async () => {
  const { output_text } = await respond({
    text: { format: { type: 'json_object' } },
    max_output_tokens: 60,
  });
  expect(JSON.parse(output_text)).toBeTypeOf('object');
});

const described = (more: object = {}) => ({
  name: 'clock',
  parameters: { type: 'object', properties: {}, additionalProperties: false },
  ...more,
});
const tool = (more?: object) => ({ type: 'function', function: described(more) });
const NOT = { parameters: { type: 'object', not: {} } };

test('what a tool is described with is read by the model, in either spelling', async () => {
  const words = { description: 'Says what time it is, here and now.' };
  const city = { type: 'string', description: 'A city, such as Rome.' };
  const schema = { parameters: { type: 'object', properties: { city } } };
  for (const [key, one] of [
    ['tools', tool],
    ['functions', described],
  ] as const) {
    const plain = await promptTokens({ [key]: [one()] });
    expect(plain).toBeGreaterThan(await promptTokens({}));
    expect(await promptTokens({ [key]: [one(words)] })).toBeGreaterThan(plain);
    expect(await promptTokens({ [key]: [one(schema)] })).toBeGreaterThan(plain);
  }
  const tokens = async (more: object) =>
    (await respond({ tools: [{ type: 'function', ...described(more) }] })).usage!.input_tokens;
  expect(await tokens(words)).toBeGreaterThan(await tokens({}));
  expect(await tokens(schema)).toBeGreaterThan(await tokens({}));
});

test('a strict tool is refused where its schema cannot be kept, and another is not', async () => {
  const named = { function_call: { name: 'clock' } };
  await expect(
    chat({ functions: [described({ ...NOT, strict: true })], ...named }),
  ).rejects.toMatchObject({ param: 'functions[0].parameters.not' });
  const loose = await chat({ functions: [described(NOT)], ...named, max_tokens: 60 });
  expect(JSON.parse(loose.choices[0]!.message.function_call!.arguments)).toBeTypeOf('object');
  const flat = (strict: boolean) => [{ type: 'function', ...described({ ...NOT, strict }) }];
  await expect(respond({ tools: flat(true) })).rejects.toMatchObject({
    param: 'tools[0].parameters.not',
  });
  expect((await respond({ tools: flat(false) })).object).toBe('response');
});

test('without parallel calls there is one; with them there may be more', async () => {
  const calls = async (parallel_tool_calls: boolean) => {
    const { choices } = await chat({
      tools: [tool()],
      tool_choice: 'required',
      parallel_tool_calls,
      logit_bias: { 1: -100, 2: -100 }, // no end as long as more is allowed
      max_tokens: 120,
    });
    return choices[0]!.message.tool_calls?.length;
  };
  expect(await calls(true)).toBeGreaterThan(1);
  expect(await calls(false)).toBe(1);
});

const flatTools = [
  { type: 'function', ...described() },
  { type: 'function', ...described({ name: 'calendar' }) },
];
test('tool_choice of responses: none, required, a function, or some of them', async () => {
  const called = async (tool_choice: unknown, more: object = {}) => {
    const { output } = await respond({
      tools: flatTools,
      tool_choice,
      parallel_tool_calls: false,
      max_output_tokens: 100,
      ...more,
    });
    return output.flatMap((item) => (item.type === 'function_call' ? [item.name] : []));
  };
  expect(await called('none')).toEqual([]);
  expect(await called('required')).toHaveLength(1);
  expect(await called({ type: 'function', name: 'calendar' })).toEqual(['calendar']);
  const only = { type: 'allowed_tools', tools: [{ type: 'function', name: 'calendar' }] };
  expect(await called({ ...only, mode: 'required' })).toEqual(['calendar']);
  expect(await called({ ...only, mode: 'auto' })).toEqual([]);
  // Without a bias it is chance whether the tiny model calls again.
  const many = { parallel_tool_calls: true, temperature: 2, max_output_tokens: 200 };
  const several = async () => (await called('required', many)).length;
  await expect.poll(several, { interval: 0, timeout: 20_000 }).toBeGreaterThan(1);
});

test('allowed tools in chat need not be called when the mode is auto', async () => {
  const { choices } = await chat({
    tools: [tool()],
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'clock' } }] },
    },
  });
  expect(choices[0]!.message.tool_calls).toBeUndefined();
  const none = await chat({ functions: [described()], function_call: 'none' });
  expect(none.choices[0]!.message.content).toBe(await chatText());
});

test('a refusal is read as the text that it is, in messages and in parts', async () => {
  const said = (assistant: object) =>
    promptTokens({ messages: [...messages, { role: 'assistant', ...assistant }, ...messages] });
  const text = 'I will not do that.';
  const plain = await said({ content: text });
  expect(await said({ refusal: text })).toBe(plain);
  expect(await said({ content: [{ type: 'refusal', refusal: text }] })).toBe(plain);
  expect(await said({ content: 'No.' })).toBeLessThan(plain);
  const counted = async (part: object) =>
    (await respond({ input: [{ role: 'assistant', content: [part] }, ...messages] })).usage!
      .input_tokens;
  expect(await counted({ type: 'refusal', refusal: text })).toBe(
    await counted({ type: 'output_text', text }),
  );
  const output = async (part: object) =>
    (
      await respond({
        input: [
          ...messages,
          { type: 'function_call', call_id: 'c', name: 'clock', arguments: '{}' },
          { type: 'function_call_output', call_id: 'c', output: [part] },
        ],
      })
    ).usage!.input_tokens;
  expect(await output({ type: 'refusal', refusal: text })).toBe(
    await output({ type: 'input_text', text }),
  );
  expect(await output({ type: 'input_text', text: 'No.' })).toBeLessThan(
    await output({ type: 'input_text', text }),
  );
});

test('parts and refusals count as the text that they are', async () => {
  const count = async (...input: object[]) =>
    (await server.client.responses.inputTokens.count({ model: TINY, input: input as never }))
      .input_tokens;
  const text = 'I will not do that.';
  const said = (content: unknown) => count(...messages, { role: 'assistant', content });
  expect(await said([{ type: 'refusal', refusal: text }])).toBe(await said(text));
  expect(await said('No.')).toBeLessThan(await said(text));
  const call = { type: 'function_call', call_id: 'c', name: 'clock', arguments: '{}' };
  const result = (output: unknown) =>
    count(...messages, call, { type: 'function_call_output', call_id: 'c', output });
  const plain = await result(text);
  expect(await result([{ type: 'refusal', refusal: text }])).toBe(plain);
  expect(await result([{ type: 'input_text', text }])).toBe(plain);
  expect(await result('No.')).toBeLessThan(plain);
});

// Prints every field of a message, whatever its role.
const TEMPLATE =
  "{% for m in messages %}{{ m.role }}/{{ m.name or '' }}/{{ m.tool_call_id or '' }}/{{ m.content or '' }}" +
  '{% for c in m.tool_calls or [] %}{{ c.id }}{{ c.function.name }}{{ c.function.arguments }}{% endfor %}\n{% endfor %}';

test('names, calls and ids of messages reach a template that prints them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-names-'));
  const model = 'names';
  await writeFile(
    join(folder, `${model}.gguf`),
    withTemplate(await readFile('assets/models/stories260K.gguf'), TEMPLATE),
  );
  const named = await startModelServer([folder]);
  try {
    const tokens = async (...more: object[]) => {
      const params = { model, messages: [...messages, ...more], max_tokens: 1 };
      return (await named.client.chat.completions.create(params as never)).usage!.prompt_tokens;
    };
    const longer = async (short: object, long: object) =>
      expect(await tokens(long), JSON.stringify(long)).toBeGreaterThan(await tokens(short));
    const call = (id: string, name: string, args: string) => ({
      role: 'assistant',
      tool_calls: [{ id, type: 'function', function: { name, arguments: args } }],
    });
    const long = 'a much longer word';
    await longer({ role: 'user', content: 'x' }, { role: 'user', content: 'x', name: long });
    await longer({ role: 'user', content: 'x' }, { role: 'assistant', content: 'x' });
    await longer(call('c', 'f', '{}'), call(long, 'f', '{}'));
    await longer(call('c', 'f', '{}'), call('c', 'a_longer_name', '{}'));
    await longer(call('c', 'f', '{}'), call('c', 'f', '{"city": "Rome"}'));
    const result = (tool_call_id: string) => ({ role: 'tool', tool_call_id, content: 'x' });
    await longer(result('c'), result(long));
    const older = (name: string, args: string) => ({
      role: 'assistant',
      function_call: { name, arguments: args },
    });
    await longer(older('f', '{}'), older('a_longer_name', '{}'));
    await longer(older('f', '{}'), older('f', '{"city": "Rome"}'));
    const respond = async (...items: object[]) => {
      const input = [...messages, ...items] as never;
      return (await named.client.responses.inputTokens.count({ model, input })).input_tokens;
    };
    const called = (call_id: string, name: string, args: string) =>
      respond({ type: 'function_call', call_id, name, arguments: args });
    const plain = await called('c', 'f', '{}');
    expect(await called(long, 'f', '{}')).toBeGreaterThan(plain);
    expect(await called('c', 'a_longer_name', '{}')).toBeGreaterThan(plain);
    expect(await called('c', 'f', '{"city": "Rome"}')).toBeGreaterThan(plain);
    const answered = (call_id: string) =>
      respond({ type: 'function_call_output', call_id, output: 'x' });
    expect(await answered(long)).toBeGreaterThan(await answered('c'));
  } finally {
    await named.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test('what is ignored changes nothing', async () => {
  const said = await chatText();
  for (const more of [
    { user: 'u', safety_identifier: 's', metadata: { a: 'b' }, prompt_cache_key: 'k' },
    { prompt_cache_retention: '24h', service_tier: 'flex', reasoning_effort: 'high' },
    { verbosity: 'low', prediction: { type: 'content', content: 'x' } },
  ])
    expect(await chatText(more), JSON.stringify(more)).toBe(said);
  expect((await completion({ user: 'u' })).choices).toEqual((await completion()).choices);
  const { output_text } = await respond();
  for (const more of [
    { reasoning: { effort: 'high' }, service_tier: 'flex', prompt_cache_retention: '24h' },
    { stream_options: { include_obfuscation: false } },
  ])
    expect((await respond(more)).output_text, JSON.stringify(more)).toBe(output_text);
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
  expect(await respond(named)).toMatchObject(named);
});

test('top_logprobs and include bring log-probabilities into a response', async () => {
  const logprobs = async (params: object) => {
    const [item] = (await respond(params)).output as OpenAI.Responses.ResponseOutputMessage[];
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

test('the count of input tokens grows with all that the model reads', async () => {
  const count = async (params: object) =>
    (await server.client.responses.inputTokens.count({ model: TINY, input: 'Hi', ...params }))
      .input_tokens;
  const plain = await count({});
  expect(await count({ instructions: 'Be kind.' })).toBeGreaterThan(plain);
  const tools = await count({ tools: flatTools.slice(0, 1) });
  expect(tools).toBeGreaterThan(plain);
  const wordy = [{ ...flatTools[0], description: 'Says what time it is.' }];
  expect(await count({ tools: wordy })).toBeGreaterThan(tools);
  expect(await count({ tools: flatTools.slice(0, 1), tool_choice: 'none' })).toBe(plain);
  const kept = await respond();
  expect(await count({ previous_response_id: kept.id })).toBeGreaterThan(plain);
  const said = (item: object) => count({ input: [{ role: 'user', content: 'Hi' }, item] });
  for (const item of [
    { role: 'assistant', content: [{ type: 'output_text', text: 'Hello' }] },
    { type: 'function_call', call_id: 'c', name: 'clock', arguments: '{}' },
    { type: 'item_reference', id: kept.output[0]!.id },
  ])
    expect(await said(item)).toBeGreaterThan(plain);
  await expect(count({ model: 'none' })).rejects.toMatchObject({ param: 'model' });
});

test('what only constrains an answer does not change the count, and is checked all the same', async () => {
  const count = (params: object) =>
    server.client.responses.inputTokens.count({
      model: TINY,
      input: 'Hi',
      tools: flatTools as never,
      ...params,
    });
  const { input_tokens } = await count({});
  const schema = { type: 'object', properties: {} };
  for (const more of [
    { parallel_tool_calls: false },
    { tool_choice: 'required' },
    { tool_choice: { type: 'function', name: 'clock' } },
    {
      tool_choice: {
        type: 'allowed_tools',
        mode: 'auto',
        tools: [{ type: 'function', name: 'clock' }],
      },
    },
    { text: { format: { type: 'json_object' } } },
    { text: { format: { type: 'json_schema', name: 'x', schema, strict: true } } },
  ])
    expect((await count(more)).input_tokens, JSON.stringify(more)).toBe(input_tokens);
  await expect(count({ tool_choice: { type: 'function', name: 'no' } })).rejects.toMatchObject({
    status: 400,
    param: 'tool_choice',
  });
});

test('the items of a response are listed in either order, page by page', async () => {
  const said = ['one', 'two', 'three'];
  const { id } = await respond({ input: said.map((content) => ({ role: 'user', content })) });
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
