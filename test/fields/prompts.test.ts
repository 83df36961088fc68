// Fields that the model reads: messages, tools, items of a response. What each does is seen in the length of
// the prompt, or in what is called. fields.md (test/conformance) names these tests.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../../src/testing/model-server.ts';
import { withTemplate } from '../../src/testing/with-template.ts';
import { messages, startAsking } from './tiny-model.ts';

let server: Awaited<ReturnType<typeof startAsking>>;
beforeAll(async () => {
  server = await startAsking();
});
afterAll(() => server.close());

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
    const plain = await server.promptTokens({ [key]: [one()] });
    expect(plain).toBeGreaterThan(await server.promptTokens({}));
    expect(await server.promptTokens({ [key]: [one(words)] })).toBeGreaterThan(plain);
    expect(await server.promptTokens({ [key]: [one(schema)] })).toBeGreaterThan(plain);
  }
  const tokens = async (more: object) =>
    (await server.respond({ tools: [{ type: 'function', ...described(more) }] })).usage!
      .input_tokens;
  expect(await tokens(words)).toBeGreaterThan(await tokens({}));
  expect(await tokens(schema)).toBeGreaterThan(await tokens({}));
});

test('a strict tool is refused where its schema cannot be kept, and another is not', async () => {
  const named = { function_call: { name: 'clock' } };
  await expect(
    server.chat({ functions: [described({ ...NOT, strict: true })], ...named }),
  ).rejects.toMatchObject({ param: 'functions[0].parameters.not' });
  const loose = await server.chat({ functions: [described(NOT)], ...named, max_tokens: 60 });
  expect(JSON.parse(loose.choices[0]!.message.function_call!.arguments)).toBeTypeOf('object');
  const flat = (strict: boolean) => [{ type: 'function', ...described({ ...NOT, strict }) }];
  await expect(server.respond({ tools: flat(true) })).rejects.toMatchObject({
    param: 'tools[0].parameters.not',
  });
  expect((await server.respond({ tools: flat(false) })).object).toBe('response');
});

test('without parallel calls there is one; with them there may be more', async () => {
  const calls = async (parallel_tool_calls: boolean) => {
    const { choices } = await server.chat({
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
    const { output } = await server.respond({
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
  const { choices } = await server.chat({
    tools: [tool()],
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'clock' } }] },
    },
  });
  expect(choices[0]!.message.tool_calls).toBeUndefined();
  const none = await server.chat({ functions: [described()], function_call: 'none' });
  expect(none.choices[0]!.message.content).toBe(await server.chatText());
});

test('a refusal is read as the text that it is, in messages and in parts', async () => {
  const said = (assistant: object) =>
    server.promptTokens({
      messages: [...messages, { role: 'assistant', ...assistant }, ...messages],
    });
  const text = 'I will not do that.';
  const plain = await said({ content: text });
  expect(await said({ refusal: text })).toBe(plain);
  expect(await said({ content: [{ type: 'refusal', refusal: text }] })).toBe(plain);
  expect(await said({ content: 'No.' })).toBeLessThan(plain);
  const counted = async (part: object) =>
    (await server.respond({ input: [{ role: 'assistant', content: [part] }, ...messages] })).usage!
      .input_tokens;
  expect(await counted({ type: 'refusal', refusal: text })).toBe(
    await counted({ type: 'output_text', text }),
  );
  const output = async (part: object) =>
    (
      await server.respond({
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
    const counted = async (...items: object[]) => {
      const input = [...messages, ...items] as never;
      return (await named.client.responses.inputTokens.count({ model, input })).input_tokens;
    };
    const called = (call_id: string, name: string, args: string) =>
      counted({ type: 'function_call', call_id, name, arguments: args });
    const plain = await called('c', 'f', '{}');
    expect(await called(long, 'f', '{}')).toBeGreaterThan(plain);
    expect(await called('c', 'a_longer_name', '{}')).toBeGreaterThan(plain);
    expect(await called('c', 'f', '{"city": "Rome"}')).toBeGreaterThan(plain);
    const answered = (call_id: string) =>
      counted({ type: 'function_call_output', call_id, output: 'x' });
    expect(await answered(long)).toBeGreaterThan(await answered('c'));
  } finally {
    await named.close();
    await rm(folder, { recursive: true, force: true });
  }
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
  const kept = await server.respond();
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
