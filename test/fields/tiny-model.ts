// A whole server on the tiny model, and short ways to ask it: each takes the fields that a test is about.
import type OpenAI from 'openai';
import { startModelServer, TINY } from '../../src/testing/model-server.ts';

export const messages = [{ role: 'user' as const, content: 'Tell me about Tim.' }];

export async function startAsking() {
  const server = await startModelServer();
  const { client } = server;
  const chat = (params: object = {}) =>
    client.chat.completions.create({
      model: TINY,
      messages,
      temperature: 0,
      max_tokens: 12,
      ...(params as Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>),
    });
  return {
    ...server,
    chat,
    chatText: async (params: object = {}) => (await chat(params)).choices[0]!.message.content,
    promptTokens: async (params: object) =>
      (await chat({ max_tokens: 1, ...params })).usage!.prompt_tokens,
    completion: (params: object = {}) =>
      client.completions.create({
        model: TINY,
        prompt: 'Once upon a time',
        temperature: 0,
        max_tokens: 12,
        ...params,
      }),
    respond: (params: object = {}) =>
      client.responses.create({
        model: TINY,
        input: 'Tell me about Tim.',
        temperature: 0,
        max_output_tokens: 16,
        ...params,
      }),
  };
}
