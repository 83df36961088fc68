// /v1/responses through the official client and through the AI SDK, whose default it is.
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, Output, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startModelServer, TINY } from '../src/testing/model-server.ts';

let server: Awaited<ReturnType<typeof startModelServer>>;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

type Params = Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming>;
const ask = (params: Params = {}) =>
  server.client.responses.create({
    model: TINY,
    input: 'Tell me about Tim.',
    temperature: 0,
    max_output_tokens: 24,
    ...params,
  });
const weather = {
  type: 'function' as const,
  name: 'weather',
  strict: true,
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', maxLength: 8 } },
    required: ['city'],
    additionalProperties: false,
  },
};
const chat = async (messages: OpenAI.ChatCompletionMessageParam[]) => {
  const answer = await server.client.chat.completions.create({
    model: TINY,
    messages,
    temperature: 0,
    max_tokens: 24,
  });
  return answer.choices[0]!.message.content;
};

test('an answer has the shape of the original and the text of chat', async () => {
  const answer = await ask({ instructions: 'Be kind.', metadata: { a: 'b' } });
  expect(answer).toMatchObject({
    object: 'response',
    status: 'incomplete',
    incomplete_details: { reason: 'max_output_tokens' },
    error: null,
    instructions: 'Be kind.',
    metadata: { a: 'b' },
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
    output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text' }] }],
    usage: { output_tokens: 24, output_tokens_details: { reasoning_tokens: 0 } },
  });
  expect(answer.id).toMatch(/^resp_/);
  const messages = [
    { role: 'system' as const, content: 'Be kind.' },
    { role: 'user' as const, content: 'Tell me about Tim.' },
  ];
  expect(answer.output_text).toBe(await chat(messages));
});

test('items of every kind become messages', async () => {
  const input: OpenAI.Responses.ResponseInputItem[] = [
    { role: 'developer', content: 'Be kind.' },
    {
      type: 'message',
      role: 'user',
      content: [
        { type: 'input_text', text: 'Hi ' },
        { type: 'input_text', text: 'Tim' },
      ],
    },
    { role: 'assistant', content: 'Hello' },
    { type: 'reasoning', id: 'rs_1', summary: [] },
    { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{"city":"Rome"}' },
    { type: 'function_call_output', call_id: 'c1', output: 'sunny' },
  ];
  const call = {
    id: 'c1',
    type: 'function' as const,
    function: { name: 'weather', arguments: '{"city":"Rome"}' },
  };
  expect((await ask({ input })).output_text).toBe(
    await chat([
      { role: 'developer', content: 'Be kind.' },
      { role: 'user', content: 'Hi Tim' },
      { role: 'assistant', content: 'Hello', tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c1', content: 'sunny' },
    ]),
  );
});

test('the stream is typed, numbered, in order, and ends without [DONE]', async () => {
  const raw = await server.post('/responses', {
    model: TINY,
    input: 'Tell me about Tim.',
    temperature: 0,
    max_output_tokens: 24,
    stream: true,
  });
  const body = await raw.text();
  expect(body).not.toContain('[DONE]');
  const events = body
    .trim()
    .split('\n\n')
    .map((block) => {
      const [, type, data] = /^event: (.*)\ndata: (.*)$/.exec(block)!;
      const event = JSON.parse(data!) as { type: string; sequence_number: number; delta: string };
      expect(event.type).toBe(type);
      return event;
    });
  expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
  const order = events.map((event) => event.type.replace('response.', ''));
  expect(order.filter((type) => type !== 'output_text.delta')).toEqual([
    'created',
    'in_progress',
    'output_item.added',
    'content_part.added',
    'output_text.done',
    'content_part.done',
    'output_item.done',
    'incomplete',
  ]);
  const text = events.map(({ delta }) => delta ?? '').join('');
  expect(text).toBe((await ask()).output_text);
  const helper = server.client.responses.stream({
    model: TINY,
    input: 'Tell me about Tim.',
    temperature: 0,
    max_output_tokens: 24,
  });
  expect((await helper.finalResponse()).output_text).toBe(text);
});

test('functions are called with valid arguments, streamed too', async () => {
  const call = {
    tools: [weather],
    tool_choice: { type: 'function' as const, name: 'weather' },
    max_output_tokens: 200,
  };
  const { output, status } = await ask(call);
  expect([output.length, status]).toEqual([1, 'completed']);
  const [item] = output as OpenAI.Responses.ResponseFunctionToolCall[];
  expect(item).toMatchObject({ type: 'function_call', name: 'weather', status: 'completed' });
  expect(JSON.parse(item!.arguments)).toHaveProperty('city');
  const stream = await server.client.responses.create({
    model: TINY,
    input: 'Tell me about Tim.',
    temperature: 0,
    ...call,
    stream: true,
  });
  let args = '';
  const types: string[] = [];
  for await (const event of stream) {
    if (types.at(-1) !== event.type) types.push(event.type);
    if (event.type === 'response.function_call_arguments.delta') args += event.delta;
  }
  expect(args).toBe(item!.arguments);
  expect(types).toEqual([
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.function_call_arguments.delta',
    'response.function_call_arguments.done',
    'response.output_item.done',
    'response.completed',
  ]);
});

test('text.format keeps the answer to a schema', async () => {
  const schema = {
    type: 'object',
    properties: { ok: { type: 'boolean' } },
    required: ['ok'],
    additionalProperties: false,
  };
  const { output_text, status } = await ask({
    text: { format: { type: 'json_schema', name: 'x', schema, strict: true } },
    max_output_tokens: 100,
  });
  expect(JSON.parse(output_text)).toEqual({ ok: expect.any(Boolean) });
  expect(status).toBe('completed');
});

test('answers are kept, read, continued, listed and deleted', async () => {
  const first = await ask({ input: 'My name is Lily.' });
  expect(await server.client.responses.retrieve(first.id)).toMatchObject({
    id: first.id,
    output_text: first.output_text,
  });
  const second = await ask({ input: 'Who am I?', previous_response_id: first.id });
  expect(second.output_text).toBe(
    await chat([
      { role: 'user', content: 'My name is Lily.' },
      { role: 'assistant', content: first.output_text },
      { role: 'user', content: 'Who am I?' },
    ]),
  );
  const third = await ask({
    input: [
      { role: 'user', content: 'My name is Lily.' },
      { type: 'item_reference', id: first.output[0]!.id! },
      { role: 'user', content: 'Who am I?' },
    ],
  });
  expect(third.output_text).toBe(second.output_text);
  const listed: unknown[] = [];
  for await (const item of server.client.responses.inputItems.list(third.id, {
    limit: 1,
    order: 'asc',
  }))
    listed.push(item.type);
  expect(listed).toEqual(['message', 'message', 'message']);
  expect((await server.client.responses.inputItems.list(second.id)).data).toHaveLength(1);
  await server.client.responses.delete(first.id);
  await expect(server.client.responses.retrieve(first.id)).rejects.toBeInstanceOf(
    OpenAI.NotFoundError,
  );
  await expect(ask({ previous_response_id: first.id })).rejects.toMatchObject({
    status: 400,
    code: 'previous_response_not_found',
  });
  const unkept = await ask({ store: false });
  await expect(server.client.responses.retrieve(unkept.id)).rejects.toBeInstanceOf(
    OpenAI.NotFoundError,
  );
});

test('an answer in the background is polled, and can be cancelled', async () => {
  const begun = await ask({ background: true });
  expect(begun.status).toBe('in_progress');
  const status = async (id: string) => (await server.client.responses.retrieve(id)).status;
  await expect.poll(() => status(begun.id), { timeout: 20_000 }).toBe('incomplete');
  const long = await ask({ background: true, max_output_tokens: 450, temperature: 1 });
  expect((await server.client.responses.cancel(long.id)).status).toBe('cancelled');
  expect(await status(long.id)).toBe('cancelled');
  await expect(server.client.responses.cancel((await ask()).id)).rejects.toMatchObject({
    status: 400,
  });
});

test('input tokens are counted as the answer counts them', async () => {
  const { input_tokens } = await server.client.responses.inputTokens.count({
    model: TINY,
    input: 'Tell me about Tim.',
  });
  expect(input_tokens).toBe((await ask()).usage!.input_tokens);
});

test('truncation auto forgets the oldest messages', async () => {
  const input = Array.from({ length: 30 }, (_, i) => ({
    role: 'user' as const,
    content: `A long story, part ${i}. `,
  }));
  await expect(ask({ input })).rejects.toMatchObject({
    code: 'context_length_exceeded',
    param: 'input',
  });
  expect((await ask({ input, truncation: 'auto' })).usage!.input_tokens).toBeLessThan(512);
});

test.each([
  [{ model: 'none' }, 'model', "The requested model 'none' does not exist."],
  [{ input: null }, 'input', "Missing required parameter: 'input'."],
  [{ max_output_tokens: 3 }, 'max_output_tokens', expect.any(String)],
  [{ tools: [{ type: 'web_search' }] }, expect.stringMatching(/^tools\[0\]/), expect.any(String)],
  [
    { tools: [{ ...weather, parameters: { type: 'object', not: {} } }] },
    'tools[0].parameters.not',
    expect.any(String),
  ],
  [{ conversation: 'conv_1' }, 'conversation', expect.any(String)],
  [
    { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] },
    'input[0].content[0].type',
    expect.any(String),
  ],
])('%j is refused', async (change, param, message) => {
  const answer = await server.post('/responses', { model: TINY, input: 'Hi', ...change });
  expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param, message } }]);
});

describe('the AI SDK, unmodified', () => {
  const provider = () =>
    createOpenAI({ baseURL: server.baseURL, apiKey: 'sk-test', fetch: server.fetch });
  const prompt = 'Tell me about Tim.';

  test('generates and streams text', async () => {
    const model = provider()(TINY);
    const { text, finishReason, usage } = await generateText({
      model,
      prompt,
      maxOutputTokens: 24,
      temperature: 0,
    });
    expect(text).toBe((await ask()).output_text);
    expect([finishReason, usage.outputTokens]).toEqual(['length', 24]);
    const streamed = streamText({ model, prompt, maxOutputTokens: 24, temperature: 0 });
    let whole = '';
    for await (const part of streamed.textStream) whole += part;
    expect(whole).toBe(text);
  });

  test('calls tools', async () => {
    const { toolCalls, finishReason } = await generateText({
      model: provider()(TINY),
      prompt,
      tools: {
        weather: tool({ inputSchema: jsonSchema<{ city: string }>(weather.parameters as never) }),
      },
      toolChoice: { type: 'tool', toolName: 'weather' },
      temperature: 0,
    });
    expect(toolCalls).toMatchObject([{ toolName: 'weather', input: { city: expect.any(String) } }]);
    expect(finishReason).toBe('tool-calls');
  });

  test('generates objects', async () => {
    const schema = jsonSchema<{ mood: string }>({
      type: 'object',
      properties: { mood: { type: 'string', enum: ['glad', 'sad'] } },
      required: ['mood'],
      additionalProperties: false,
    });
    const { output } = await generateText({
      model: provider()(TINY),
      prompt,
      output: Output.object({ schema }),
      temperature: 0,
    });
    expect(['glad', 'sad']).toContain(output.mood);
  });

  test('speaks chat, completions and embeddings too', async () => {
    const openai = provider();
    const chatted = await generateText({
      model: openai.chat(TINY),
      prompt,
      maxOutputTokens: 24,
      temperature: 0,
    });
    expect(chatted.text).toBe(await chat([{ role: 'user', content: prompt }]));
    const completed = await generateText({
      model: openai.completion(TINY),
      prompt,
      maxOutputTokens: 8,
    });
    expect(completed.usage.outputTokens).toBeLessThanOrEqual(8);
    const { embeddings } = await openai.embedding(TINY).doEmbed({ values: ['a', 'b'] });
    expect(embeddings).toHaveLength(2);
  });
});
