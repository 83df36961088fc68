// Tools on the tiny model: its weights know nothing of calls, so what holds here holds for any weights.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import type OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../src/testing/model-server.ts';
import { withTemplate } from '../src/testing/with-template.ts';

let server: Awaited<ReturnType<typeof startModelServer>>;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

const parameters = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  properties: {
    city: { type: 'string', maxLength: 10 },
    days: { type: 'integer', minimum: 1, maximum: 7 },
    unit: { enum: ['C', 'F'] },
  },
  required: ['city', 'days', 'unit'],
  additionalProperties: false,
};
const weather = { type: 'function' as const, function: { name: 'get_weather', parameters } };
const clock = { type: 'function' as const, function: { name: 'clock' } };
const valid = new Ajv({ strict: false }).compile(parameters);

type Params = Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>;
const request = (params: Params) => ({
  model: TINY,
  messages: [{ role: 'user' as const, content: 'Weather in Rome?' }],
  tools: [weather, clock],
  temperature: 0,
  ...params,
});
const ask = (params: Params) => server.client.chat.completions.create(request(params));
const forced = { tool_choice: { type: 'function' as const, function: { name: 'get_weather' } } };

test('a named function is called with arguments that fit its schema', async () => {
  for (const seed of [1, 2, 3, 4]) {
    const { choices } = await ask({ ...forced, temperature: seed / 2, seed });
    const [{ message, finish_reason } = {}] = choices as never as OpenAI.ChatCompletion.Choice[];
    expect(message).toMatchObject({ content: null, tool_calls: [{ type: 'function' }] });
    const [call] = message!.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(call!.id).toMatch(/^call_\w{24}$/);
    expect(call!.function.name).toBe('get_weather');
    expect(valid(JSON.parse(call!.function.arguments))).toBe(true);
    expect(finish_reason).toBe('tool_calls');
  }
});

test('required and allowed tools choose among what is allowed', async () => {
  const names = (answer: OpenAI.ChatCompletion) =>
    answer.choices[0]!.message.tool_calls?.map(
      (call) => call.type === 'function' && call.function.name,
    );
  const required = await ask({ tool_choice: 'required', parallel_tool_calls: false });
  expect(names(required)).toHaveLength(1);
  const allowed = await ask({
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: {
        mode: 'required',
        tools: [{ type: 'function', function: { name: 'clock' } }],
      },
    },
    parallel_tool_calls: false,
  });
  expect(names(allowed)).toEqual(['clock']);
  expect((await ask({ tool_choice: 'none' })).choices[0]!.message.tool_calls).toBeUndefined();
});

test('a stream has name and id first, then arguments, and adds up to the same', async () => {
  const whole = await ask(forced);
  const stream = await server.client.chat.completions.create({ ...request(forced), stream: true });
  const deltas: OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall[] = [];
  const reasons: unknown[] = [];
  for await (const { choices } of stream) {
    deltas.push(...(choices[0]?.delta.tool_calls ?? []));
    reasons.push(choices[0]?.finish_reason);
  }
  expect(deltas[0]).toMatchObject({
    index: 0,
    type: 'function',
    function: { name: 'get_weather', arguments: '' },
  });
  expect(deltas.slice(1).every(({ id, index }) => id === undefined && index === 0)).toBe(true);
  expect(deltas.map((delta) => delta.function!.arguments).join('')).toBe(
    (whole.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall)
      .function.arguments,
  );
  expect(reasons.at(-1)).toBe('tool_calls');
  const helper = server.client.chat.completions.stream({ ...request(forced), stream: true });
  expect((await helper.finalChatCompletion()).choices[0]!.message.tool_calls).toHaveLength(1);
});

// Calls in words that the tiny model says anyway: its stories begin with "Once".
const STORY_TEMPLATE =
  "{% if tools %}{{ tools | length }}{% endif %}{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}{{ 'Once ' + c.function.name + ' ' + (c.function.arguments | tojson) }}{% endfor %}{{ eos_token }}" +
  "{% elif m.role == 'assistant' %}{{ m.content + eos_token }}{% else %}{{ m.content + bos_token }}{% endif %}{% endfor %}";

test('a call that the model begins by itself is kept to its form', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-template-'));
  await writeFile(
    join(folder, 'caller.gguf'),
    withTemplate(await readFile('assets/models/stories260K.gguf'), STORY_TEMPLATE),
  );
  const caller = await startModelServer([folder]);
  try {
    const { completions } = caller.client.chat;
    const asked = { ...request({ parallel_tool_calls: false, max_tokens: 200 }), model: 'caller' };
    const plain = await completions.create({ ...asked, tools: [] });
    expect(plain.choices[0]!.message.content).toMatch(/^ ?Once upon a time/);
    const { choices } = await completions.create(asked);
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    const calls = choices[0]!.message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(calls).toHaveLength(1);
    expect(['get_weather', 'clock']).toContain(calls[0]!.function.name);
    const args: unknown = JSON.parse(calls[0]!.function.arguments);
    expect(calls[0]!.function.name === 'clock' ? args : valid(args)).toBeTruthy();
    const whole = await completions.stream({ ...asked, stream: true }).finalChatCompletion();
    expect(whole.choices[0]!.message.tool_calls).toMatchObject([{ function: calls[0]!.function }]);
  } finally {
    await caller.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test('calls and their results in the history are part of the prompt', async () => {
  const history = (result: string): OpenAI.ChatCompletionMessageParam[] => [
    { role: 'user', content: 'Weather in Rome?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'clock', arguments: '{}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: result },
  ];
  const tokens = async (result: string) =>
    (await ask({ messages: history(result), max_tokens: 1 })).usage!.prompt_tokens;
  expect(await tokens('It is late and dark')).toBeGreaterThan(await tokens('12'));
  const without = await ask({ messages: history('12').slice(0, 1), max_tokens: 1 });
  expect(await tokens('12')).toBeGreaterThan(without.usage!.prompt_tokens);
});

test('the older functions and function_call work as they did', async () => {
  const older = {
    tools: [],
    functions: [weather.function],
    function_call: { name: 'get_weather' },
  };
  const { choices } = await ask(older);
  expect(choices[0]).toMatchObject({ finish_reason: 'function_call', message: { content: null } });
  const { name, arguments: args } = choices[0]!.message.function_call!;
  expect([name, valid(JSON.parse(args))]).toEqual(['get_weather', true]);
  const stream = await server.client.chat.completions.create({ ...request(older), stream: true });
  let streamed = '';
  for await (const chunk of stream)
    streamed += chunk.choices[0]?.delta.function_call?.arguments ?? '';
  expect(streamed).toBe(args);
});

test('tools and a response format: the answer is one or the other', async () => {
  const { choices } = await ask({
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { const: 7 } } },
  });
  const { content, tool_calls } = choices[0]!.message;
  expect(tool_calls !== undefined || content === '7').toBe(true);
});

test.each([
  [{ tool_choice: { type: 'function', function: { name: 'none' } } }, 'tool_choice'],
  [{ tools: [weather, weather] }, 'tools[1].function'],
  [{ tools: [{ type: 'function', function: { name: 'a b' } }] }, 'tools[0].function.name'],
  [
    {
      tools: [
        {
          type: 'function',
          function: { name: 'f', strict: true, parameters: { type: 'object', not: {} } },
        },
      ],
    },
    'tools[0].function.parameters.not',
  ],
  [{ messages: [{ role: 'assistant', content: null }] }, 'messages[0].content'],
])('%j is refused and names %s', async (change, param) => {
  await expect(ask(change as Params)).rejects.toMatchObject({ status: 400, param });
});
