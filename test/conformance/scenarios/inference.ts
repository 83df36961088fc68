// Lines on completions, chat, embeddings and responses, for each model of the run.
import assert from 'node:assert/strict';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, streamText } from 'ai';
import { type Context, chunksOf, post, type Scenario } from './scenario.ts';

const PROMPT = 'Once upon a time, there was a little';

export const INFERENCE: readonly Scenario[] = [
  {
    line: 25,
    what: 'embeddings as base64 are the same numbers as floats',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const ask = async (encoding_format: string) => {
        const { json } = await post(`${base}/embeddings`, { model, input: 'Tim', encoding_format });
        return json.data[0].embedding;
      };
      const bytes = Buffer.from(await ask('base64'), 'base64');
      const decoded = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
      const floats: number[] = await ask('float');
      assert.deepEqual(decoded, floats.map(Math.fround));
    }),
  },
  {
    line: 26,
    what: '`echo` with `logprobs` covers prompt and answer; greedy tokens are the likeliest',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const body = { model, prompt: PROMPT, max_tokens: 6, temperature: 0 };
      const plain = await post(`${base}/completions`, body);
      const { json } = await post(`${base}/completions`, { ...body, echo: true, logprobs: 1 });
      const { text, logprobs } = json.choices[0];
      assert.equal(text, PROMPT + plain.json.choices[0].text);
      const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs;
      assert.equal(tokens.join(''), text);
      assert.equal(token_logprobs[0], null);
      for (const list of [token_logprobs, top_logprobs, text_offset])
        assert.equal(list.length, json.usage.total_tokens);
      for (let i = json.usage.prompt_tokens; i < tokens.length; i++)
        assert.equal(token_logprobs[i], Math.max(...Object.values<number>(top_logprobs[i])));
    }),
  },
  {
    line: 27,
    what: 'a stream says the same at temperature 0; usage comes only when asked for',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const messages = [{ role: 'user', content: 'Tell me about Tim.' }];
      for (const [path, prompt] of [
        ['completions', { prompt: PROMPT }],
        ['chat/completions', { messages }],
      ] as const) {
        const body = { model, ...prompt, max_tokens: 12, temperature: 0 };
        const { json } = await post(`${base}/${path}`, body);
        const [choice] = json.choices;
        const { chunks } = await chunksOf(`${base}/${path}`, body);
        const said = chunks.map(({ choices: [part] }) => part.text ?? part.delta.content ?? '');
        assert.equal(said.join(''), choice.text ?? choice.message.content, path);
        assert.ok(chunks.every((chunk) => !chunk.usage));
        const stream_options = { include_usage: true };
        const asked = await chunksOf(`${base}/${path}`, { ...body, stream_options });
        assert.deepEqual(asked.chunks.at(-1).usage, json.usage, path);
        assert.deepEqual(asked.chunks.at(-1).choices, []);
      }
    }),
  },
  {
    line: 28,
    what: 'a stop string is not in the text; `finish_reason` says stop or length',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const body = { model, prompt: PROMPT, max_tokens: 16, temperature: 0 };
      const [whole] = (await post(`${base}/completions`, body)).json.choices;
      assert.equal(whole.finish_reason, 'length');
      const stop = whole.text.slice(4, 9);
      const [stopped] = (await post(`${base}/completions`, { ...body, stop })).json.choices;
      assert.equal(stopped.finish_reason, 'stop');
      assert.equal(stopped.text, whole.text.slice(0, whole.text.indexOf(stop)));
    }),
  },
  {
    line: 29,
    what: '`n` and `best_of` with several prompts: choices in the order of the prompts',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const body = { model, prompt: [PROMPT, 'Tim'], max_tokens: 3, seed: 1, echo: true };
      const { json } = await post(`${base}/completions`, { ...body, n: 2, best_of: 3 });
      const { choices } = json;
      assert.deepEqual(
        choices.map(({ index }: { index: number }) => index),
        [0, 1, 2, 3],
      );
      for (const [i, { text }] of choices.entries())
        assert.ok(text.startsWith(i < 2 ? PROMPT : 'Tim'), text);
    }),
  },
  {
    line: 30,
    what: '`json_schema` gives valid JSON for any weights',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const schema = {
        type: 'object',
        properties: { name: { type: 'string', maxLength: 12 }, old: { type: 'boolean' } },
        required: ['name', 'old'],
        additionalProperties: false,
      };
      for (const seed of [1, 2, 3]) {
        const { json } = await post(`${base}/chat/completions`, {
          model,
          messages: [{ role: 'user', content: 'Tell me about Tim.' }],
          max_tokens: 60,
          temperature: 1.5,
          seed,
          response_format: { type: 'json_schema', json_schema: { name: 'person', schema } },
        });
        const person = JSON.parse(json.choices[0].message.content);
        assert.deepEqual(Object.keys(person).sort(), ['name', 'old']);
        assert.deepEqual([typeof person.name, typeof person.old], ['string', 'boolean']);
      }
    }),
  },
  {
    line: 31,
    what: 'a forced tool is called with arguments that fit',
    clients: ['http', 'node-7'],
    run: each(async ({ base }, model) => {
      const parameters = {
        type: 'object',
        properties: { city: { type: 'string', enum: ['Paris', 'Rome'] } },
        required: ['city'],
        additionalProperties: false,
      };
      const { json } = await post(`${base}/chat/completions`, {
        model,
        messages: [{ role: 'user', content: 'Weather?' }],
        max_tokens: 60,
        tools: [{ type: 'function', function: { name: 'weather', parameters } }],
        tool_choice: { type: 'function', function: { name: 'weather' } },
      });
      const [call] = json.choices[0].message.tool_calls;
      assert.equal(call.function.name, 'weather');
      assert.ok(['Paris', 'Rome'].includes(JSON.parse(call.function.arguments).city));
    }),
  },
  {
    line: 32,
    what: 'the AI SDK reads Responses, at once and as a stream',
    clients: ['ai-sdk'],
    run: each(async ({ base }, name) => {
      const model = createOpenAI({ baseURL: base, apiKey: 'sk-test' })(name);
      const ask = { model, prompt: 'Tell me about Tim.', maxOutputTokens: 16, temperature: 0 };
      const { text } = await generateText(ask);
      assert.ok(text.length > 0);
      let streamed = '';
      for await (const part of streamText(ask).textStream) streamed += part;
      assert.equal(streamed, text);
    }),
  },
];

function each(check: (context: Context, model: string) => Promise<void>) {
  return async (context: Context) => {
    for (const model of context.models) await check(context, model);
  };
}
