// The npm package `openai` as it was in 2022 (3.x) and 2024 (4.x), unmodified, on one server.
import { createReadStream } from 'node:fs';
import { Configuration, OpenAIApi } from 'openai-v3';
import OpenAIv4 from 'openai-v4';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { labelled, pairs, startTinyServer, type TinyServer } from './tiny-server.ts';

// Children of two languages on a machine that may have more to do.
vi.setConfig({ testTimeout: 180_000 });

let server: TinyServer;
let v3: OpenAIApi;
let v4: OpenAIv4;
beforeAll(async () => {
  server = await startTinyServer();
  v3 = new OpenAIApi(new Configuration({ apiKey: 'sk-test', basePath: server.base }));
  v4 = new OpenAIv4({ apiKey: 'sk-test', baseURL: server.base, maxRetries: 0 });
});
afterAll(() => server.close());

async function ended<T extends { status?: string | undefined }>(get: () => Promise<T>): Promise<T> {
  for (;;) {
    const job = await get();
    if (['succeeded', 'failed', 'cancelled'].includes(job.status ?? '')) return job;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test('3.x: file, fine-tune, events, result, completion, cancellation, deletion', async () => {
  const path = await server.write('labelled.jsonl', labelled(12, [' a', ' b', ' c']));
  // biome-ignore lint/suspicious/noExplicitAny: its types say File, its documentation a stream
  const { data: file } = await v3.createFile(createReadStream(path) as any, 'fine-tune');
  const { data: created } = await v3.createFineTune({
    training_file: file.id,
    validation_file: file.id,
    model: 'davinci',
    n_epochs: 1,
    batch_size: 4,
    compute_classification_metrics: true,
    classification_n_classes: 3,
    suffix: null,
  });
  expect(created).toMatchObject({
    object: 'fine-tune',
    status: 'pending',
    model: 'davinci',
    fine_tuned_model: null,
    result_files: [],
    hyperparams: { n_epochs: 1, batch_size: 4, learning_rate_multiplier: null },
  });
  const { data: second } = await v3.createFineTune({ training_file: file.id, model: 'ada' });
  const { data: cancelled } = await v3.cancelFineTune(second.id);
  expect(cancelled.status).toBe('cancelled');
  const done = await ended(async () => (await v3.retrieveFineTune(created.id)).data);
  expect(done.status, JSON.stringify(done.events)).toBe('succeeded');
  expect((await v3.listFineTuneEvents(created.id)).data.data.map(({ message }) => message)).toEqual(
    done.events!.map(({ message }) => message),
  );
  const { data: stream } = await v3.listFineTuneEvents(created.id, true);
  expect(String(stream)).toMatch(/data: \{"object":"fine-tune-event".*data: \[DONE\]\n\n$/s);
  const { data: csv } = await v3.downloadFile(done.result_files[0]!.id);
  expect(String(csv).split('\n')[0]).toMatch(
    /classification\/accuracy,classification\/weighted_f1_score$/,
  );
  const model = done.fine_tuned_model!;
  const { data: said } = await v3.createCompletion({ model, prompt: 'The dog', max_tokens: 2 });
  expect(said.choices[0]?.text).toEqual(expect.any(String));
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  const { data: chat } = await v3.createChatCompletion({ model, messages, max_tokens: 2 });
  expect(chat.choices[0]?.message?.role).toBe('assistant');
  expect((await v3.createEmbedding({ model, input: 'a' })).data.data).toHaveLength(1);
  expect((await v3.listEngines()).data.data.map((engine) => engine.id)).toContain(model);
  expect((await v3.retrieveEngine('ada')).data.ready).toBe(true);
  expect((await v3.listFineTunes()).data.data.map((job) => job.id)).toEqual([
    created.id,
    second.id,
  ]);
  expect((await v3.listModels()).data.data.map((item) => item.id)).toContain(model);
  await v3.deleteFile(file.id);
  const { data: later } = await v3.retrieveFineTune(created.id);
  expect(later.training_files[0]).toMatchObject({ id: file.id, status: 'deleted' });
  expect(later.result_files[0]).toMatchObject({
    status: 'processed',
    filename: 'compiled_results.csv',
  });
  expect((await v3.deleteModel(model)).data).toMatchObject({ id: model, deleted: true });
  await expect(v3.retrieveModel(model)).rejects.toMatchObject({ response: { status: 404 } });
});

test('4.x: file, job, events, completion, chat, cancellation', async () => {
  const path = await server.write('pairs.jsonl', pairs(12));
  const file = await v4.files.create({ file: createReadStream(path), purpose: 'fine-tune' });
  expect(await v4.files.waitForProcessing(file.id)).toMatchObject({ status: 'processed' });
  const request = { model: 'gpt-3.5-turbo', training_file: file.id };
  const job = await v4.fineTuning.jobs.create({ ...request, hyperparameters: { n_epochs: 1 } });
  expect(job).toMatchObject({ model: 'gpt-3.5-turbo', status: 'validating_files' });
  const second = await v4.fineTuning.jobs.create(request);
  expect((await v4.fineTuning.jobs.cancel(second.id)).status).toBe('cancelled');
  const done = await ended(() => v4.fineTuning.jobs.retrieve(job.id));
  expect(done).toMatchObject({ status: 'succeeded', error: null });
  expect(done.fine_tuned_model).toMatch(/^ft:gpt-3\.5-turbo:tunery::\w{8}$/);
  const seen: string[] = [];
  for await (const { message } of v4.fineTuning.jobs.listEvents(job.id, { limit: 5 }))
    seen.push(message);
  expect(seen.at(-1)).toBe(`Created fine-tuning job: ${job.id}`);
  const model = done.fine_tuned_model!;
  const stream = v4.beta.chat.completions.stream({
    model,
    messages: [{ role: 'user', content: 'Hi' }],
    max_tokens: 3,
  });
  expect((await stream.finalChatCompletion()).choices[0]?.message.role).toBe('assistant');
  const text = await v4.completions.create({ model, prompt: 'Tim', max_tokens: 2 });
  expect(text.object).toBe('text_completion');
  const { data } = await v4.embeddings.create({ model, input: 'a' });
  expect(typeof data[0]?.embedding[0]).toBe('number');
  const listed: string[] = [];
  for await (const { id } of v4.fineTuning.jobs.list({ limit: 1 })) listed.push(id);
  expect(listed).toEqual([second.id, job.id]);
});
