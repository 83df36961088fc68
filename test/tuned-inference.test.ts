// The names of tuned models, of their checkpoints and of their strengths, wherever a model is named; from
// rows with tools, which any model can be trained on.
import { toFile } from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModelServer, TINY } from '../src/testing/model-server.ts';

let server: Awaited<ReturnType<typeof startModelServer>>;
let tuned: string;
let checkpoint: string;

beforeAll(async () => {
  server = await startModelServer();
  const call = { id: 'c1', type: 'function', function: { name: 'clock', arguments: '{}' } };
  const question = { role: 'user', content: 'Tick?' };
  const row = {
    messages: [question, { role: 'assistant', tool_calls: [call] }],
    tools: [{ type: 'function', function: { name: 'clock' } }],
  };
  const rows = Array.from({ length: 12 }, () => JSON.stringify(row)).join('\n');
  const file = await toFile(Buffer.from(rows), 'calls.jsonl');
  const { jobs } = server.client.fineTuning;
  const created = await jobs.create({
    model: TINY,
    training_file: (await server.client.files.create({ file, purpose: 'fine-tune' })).id,
    seed: 1,
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { n_epochs: 2, batch_size: 4 } },
    },
  });
  let job = created;
  while (!['succeeded', 'failed', 'cancelled'].includes(job.status)) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    job = await jobs.retrieve(created.id);
  }
  expect(job.error).toBeNull();
  tuned = job.fine_tuned_model!;
  checkpoint = (await jobs.checkpoints.list(created.id)).data.at(-1)!.fine_tuned_model_checkpoint;
});
afterAll(() => server.close());

test('the name, its checkpoints and its strength work at every endpoint', async () => {
  const { client } = server;
  const texts = async (model: string) => {
    const chat = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Tick?' }],
      temperature: 0,
      max_tokens: 12,
    });
    const completion = await client.completions.create({
      model,
      prompt: 'Once upon a time',
      temperature: 0,
      max_tokens: 12,
    });
    const embedding = await client.embeddings.create({ model, input: 'A cat.' });
    const answer = await client.responses.create({
      model,
      input: 'Hello',
      temperature: 0,
      max_output_tokens: 16,
    });
    return {
      chat: chat.choices[0]!.message.content,
      completion: completion.choices[0]!.text,
      embedding: embedding.data[0]!.embedding,
      answer: answer.output_text,
    };
  };
  const [base, full, none] = [await texts(TINY), await texts(tuned), await texts(`${tuned}@0`)];
  expect(none).toEqual(base);
  expect(full.embedding).not.toEqual(base.embedding);
  const half = await texts(`${tuned}@0.6`);
  expect(half.embedding).not.toEqual(full.embedding);
  expect((await texts(checkpoint)).embedding).toHaveLength(base.embedding.length);
});
