// The older API as it goes over the wire: /v1/fine-tunes, /v1/engines, and OpenAI's names for models.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer } from '../src/server/start.ts';
import { labelled, pairs, startTinyServer, type TinyServer } from './clients/tiny-server.ts';

const MODEL = 'stories260k';
let server: TinyServer;
let rows: string;
beforeAll(async () => {
  server = await startTinyServer();
  rows = await upload('rows.jsonl', pairs(6));
});
afterAll(() => server.close());

// biome-ignore lint/suspicious/noExplicitAny: JSON, looked at by the tests
type Answer = { readonly status: number; readonly body: any; readonly text: string };

async function call(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`${server.base}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : {
          body: body instanceof FormData ? body : JSON.stringify(body),
          ...(body instanceof FormData ? {} : { headers: { 'content-type': 'application/json' } }),
        }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, text, body: isJson ? JSON.parse(text) : null };
}
const get = (path: string) => call('GET', path);
const post = (path: string, body: unknown = {}) => call('POST', path, body);

async function upload(name: string, lines: readonly object[]): Promise<string> {
  const form = new FormData();
  form.append('purpose', 'fine-tune');
  form.append('file', new Blob([lines.map((line) => JSON.stringify(line)).join('\n')]), name);
  return (await call('POST', '/files', form)).body.id;
}

async function fineTune(fields: object = {}) {
  const { status, body, text } = await post('/fine-tunes', {
    training_file: rows,
    model: 'ada',
    n_epochs: 1,
    ...fields,
  });
  expect(status, text).toBe(200);
  return body;
}

/** What follow prints; resolves when the fine-tune has ended. */
async function follow(id: string): Promise<string[]> {
  const { text } = await get(`/fine-tunes/${id}/events?stream=true`);
  const lines = text.split('\n\n').filter((line) => line.startsWith('data: '));
  expect(lines.at(-1)).toBe('data: [DONE]');
  return lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)).message);
}

test('a fine-tune looks as it did in 2023, from creation to success', async () => {
  const created = await fineTune();
  expect(created).toEqual({
    object: 'fine-tune',
    id: expect.stringMatching(/^ft-\w{24}$/),
    hyperparams: {
      n_epochs: 1,
      batch_size: null,
      prompt_loss_weight: 0.01,
      learning_rate_multiplier: null,
    },
    organization_id: 'org-tunery',
    model: 'ada',
    training_files: [
      {
        object: 'file',
        id: rows,
        purpose: 'fine-tune',
        filename: 'rows.jsonl',
        bytes: expect.any(Number),
        created_at: expect.any(Number),
        status: 'processed',
        status_details: null,
      },
    ],
    validation_files: [],
    result_files: [],
    created_at: expect.any(Number),
    updated_at: expect.any(Number),
    status: 'pending',
    fine_tuned_model: null,
    tunery: { base_model: MODEL, seed: expect.any(Number), error: null },
    events: [
      {
        object: 'fine-tune-event',
        level: 'info',
        message: `Created fine-tune: ${created.id}`,
        created_at: expect.any(Number),
      },
    ],
  });
  const messages = await follow(created.id);
  expect(await follow(created.id)).toEqual(messages);
  const { body: done } = await get(`/fine-tunes/${created.id}`);
  expect(done).toMatchObject({
    status: 'succeeded',
    hyperparams: { batch_size: 1, learning_rate_multiplier: 0.05 },
    result_files: [{ filename: 'compiled_results.csv', purpose: 'fine-tune-results' }],
  });
  expect(done.fine_tuned_model).toMatch(/^ada:ft-tunery-\d{4}(-\d\d){5}$/);
  expect(messages).toEqual([
    `Created fine-tune: ${created.id}`,
    'Fine-tune enqueued. Queue number: 0',
    'Fine-tune started',
    'Completed epoch 1/1',
    `Uploaded model: ${done.fine_tuned_model}`,
    `Uploaded result file: ${done.result_files[0].id}`,
    'Fine-tune succeeded',
  ]);
  const { body: events } = await get(`/fine-tunes/${created.id}/events`);
  expect(events).toEqual({ object: 'list', data: done.events });
  const listed = (await get('/models')).body.data.map(({ id }: { id: string }) => id);
  expect(listed).toContain(done.fine_tuned_model);
  expect(listed.filter((id: string) => id.includes('ckpt'))).toEqual([]);
});

test('neither kind of job shows in the lists and under the paths of the other', async () => {
  const { body: job } = await post('/fine_tuning/jobs', {
    training_file: rows,
    model: 'davinci-002',
  });
  expect(job).toMatchObject({ model: 'davinci-002', tunery: { base_model: MODEL } });
  const { body: fineTunes } = await get('/fine-tunes');
  const { body: jobs } = await get('/fine_tuning/jobs');
  expect(fineTunes.data[0]).not.toHaveProperty('events');
  const ids = (list: { data: { id: string }[] }) => list.data.map(({ id }) => id);
  expect(ids(jobs)).toContain(job.id);
  expect(ids(jobs).filter((id) => id.startsWith('ft-'))).toEqual([]);
  expect(ids(fineTunes).filter((id) => !id.startsWith('ft-'))).toEqual([]);
  for (const path of [`/fine-tunes/${job.id}`, `/fine_tuning/jobs/${ids(fineTunes)[0]}`])
    expect(await get(path)).toMatchObject({
      status: 404,
      body: { error: { code: 'fine_tune_not_found' } },
    });
});

test('two fine-tunes of the same second get models of different names', async () => {
  const both = await Promise.all([fineTune({ suffix: 'twin' }), fineTune({ suffix: 'twin' })]);
  const names = [];
  for (const { id } of both) {
    await follow(id);
    names.push((await get(`/fine-tunes/${id}`)).body.fine_tuned_model);
  }
  for (const name of names) expect(name).toMatch(/^ada:ft-tunery:twin-\d{4}(-\d\d){5}$/);
  expect(new Set(names).size).toBe(2);
  // A fine-tune of a fine-tune keeps the first name in front, and the older API's models answer.
  const further = await fineTune({ model: names[0] });
  expect((await follow(further.id)).at(-1)).toBe('Fine-tune succeeded');
  const { fine_tuned_model: model } = (await get(`/fine-tunes/${further.id}`)).body;
  expect(model).toMatch(/^ada:ft-tunery-/);
  const { status, body } = await post('/completions', { model, prompt: 'Tim', max_tokens: 1 });
  expect(status).toBe(200);
  expect(body.model).toBe(model);
});

test('null stands for absent in every field, and the default base is curie', async () => {
  const nulls = Object.fromEntries(
    [
      ...['validation_file', 'model', 'n_epochs', 'batch_size', 'learning_rate_multiplier'],
      ...['prompt_loss_weight', 'compute_classification_metrics', 'classification_n_classes'],
      ...['classification_positive_class', 'classification_betas', 'suffix', 'hyperparameters'],
    ].map((name) => [name, null]),
  );
  const { status, body } = await post('/fine-tunes', { training_file: rows, ...nulls });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    model: 'curie',
    hyperparams: { n_epochs: 4, batch_size: null, prompt_loss_weight: 0.01 },
  });
  expect((await post(`/fine-tunes/${body.id}/cancel`)).body).toMatchObject({
    status: 'cancelled',
    events: [{}, { message: 'Fine-tune cancelled' }],
  });
  expect((await post(`/fine-tunes/${body.id}/cancel`)).status).toBe(400);
});

const classes = { compute_classification_metrics: true, validation_file: 'file-1' };
test.each([
  [{ training_file: undefined }, 'training_file', /Missing required/],
  [{ training_file: 'file-none' }, 'training_file', /invalid training_file: file-none/],
  [{ model: 'no-such-model' }, 'model', /does not exist.*stories260k/],
  [{ n_epochs: 0 }, 'n_epochs', /n_epochs/],
  [{ batch_size: 0.5 }, 'batch_size', /batch_size/],
  [{ learning_rate_multiplier: 0 }, 'learning_rate_multiplier', /learning_rate/],
  [{ prompt_loss_weight: -0.1 }, 'prompt_loss_weight', /prompt_loss_weight/],
  [{ prompt_loss_weight: 1.1 }, 'prompt_loss_weight', /prompt_loss_weight/],
  [{ suffix: 'x'.repeat(41) }, 'suffix', /suffix/],
  [{ suffix: '!?' }, 'suffix', /no letter/],
  [{ hyperparameters: { n_epochs: 'many' } }, 'hyperparameters.n_epochs', /n_epochs/],
  [{ compute_classification_metrics: true }, 'compute_classification_metrics', /validation_file/],
  [classes, 'classification_n_classes', /Missing required/],
  [{ ...classes, classification_n_classes: 1 }, 'classification_n_classes', /n_classes/],
  [
    { ...classes, classification_n_classes: 3, classification_positive_class: ' a' },
    'classification_positive_class',
    /two classes/,
  ],
  [
    { ...classes, classification_n_classes: 3, classification_betas: [1] },
    'classification_betas',
    /needs 'classification_positive_class'/,
  ],
  [{ classification_n_classes: 2 }, 'classification_n_classes', /compute_classification_metrics/],
  [{ tunery: { general_ratio: '1:5' } }, 'tunery.general_file', /belong together/],
  [{ tunery: { general_file: 'file-x' } }, 'tunery.general_ratio', /belong together/],
  [{ classification_positive_class: ' a' }, 'classification_positive_class', /compute_class/],
])(
  'what cannot become a fine-tune is refused with its field: %j',
  async (fields, param, message) => {
    const { status, body } = await post('/fine-tunes', {
      training_file: rows,
      model: 'ada',
      ...fields,
    });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ param, message: expect.stringMatching(message) });
  },
);

test('labels of several tokens fail the fine-tune with an event that says what to do', async () => {
  const file = await upload('long.jsonl', labelled(6, [' positive', ' negative']));
  const { id } = await fineTune({
    training_file: file,
    validation_file: file,
    compute_classification_metrics: true,
    classification_n_classes: 2,
  });
  expect((await follow(id)).at(-1)).toMatch(/^Fine-tune failed\. .*one token.*" positive"/);
  const { body } = await get(`/fine-tunes/${id}`);
  expect(body.status).toBe('failed');
  expect(body.events.at(-1).level).toBe('error');
  expect(body.tunery.error.code).toBe('invalid_compute_classification_metrics');
});

test('the flat fields win over hyperparameters, which may say the same', async () => {
  const nested = { hyperparameters: { n_epochs: 7, batch_size: 3 }, n_epochs: 2, seed: 5 };
  const { id, hyperparams } = await fineTune(nested);
  expect(hyperparams).toMatchObject({ n_epochs: 2, batch_size: 3 });
  expect((await call('DELETE', `/fine-tunes/${id}`)).body.error.message).toMatch(/cancel it first/);
  await post(`/fine-tunes/${id}/cancel`);
  expect((await call('DELETE', `/fine-tunes/${id}`)).body).toEqual({
    id,
    object: 'fine-tune',
    deleted: true,
  });
  expect((await get(`/fine-tunes/${id}`)).status).toBe(404);
  expect((await get(`/fine-tunes/${id}/events?stream=true`)).status).toBe(404);
});

test('the same seed gives the same result file, and the options of tunery change it', async () => {
  const result = async (fields: object) => {
    const { id } = await fineTune({ batch_size: 2, ...fields });
    await follow(id);
    const file = (await get(`/fine-tunes/${id}`)).body.result_files[0].id;
    return (await get(`/files/${file}/content`)).text;
  };
  const first = await result({ seed: 5 });
  expect(await result({ seed: 5 })).toBe(first);
  expect(await result({ seed: 6 })).not.toBe(first);
  expect(await result({ seed: 5, tunery: { rank: 2 } })).not.toBe(first);
});

test('a fine-tune that a restart interrupts goes on and tells each epoch once', {
  timeout: 120_000,
}, async () => {
  const file = await upload('more.jsonl', pairs(12));
  const { id } = await fineTune({ training_file: file, n_epochs: 8, batch_size: 2, seed: 1 });
  const messages = async () =>
    (await get(`/fine-tunes/${id}/events`)).body.data.map(
      ({ message }: { message: string }) => message,
    );
  await expect.poll(messages, { timeout: 60_000 }).toContain('Completed epoch 1/8');
  server = await server.restart();
  const all = await follow(id);
  expect(all.filter((message) => message.startsWith('Completed'))).toEqual(
    Array.from({ length: 8 }, (_, i) => `Completed epoch ${i + 1}/8`),
  );
  expect(all.at(-1)).toBe('Fine-tune succeeded');
  const result = (await get(`/fine-tunes/${id}`)).body.result_files[0].id;
  const [, ...lines] = (await get(`/files/${result}/content`)).text.trim().split('\n');
  expect(lines.map((line) => line.split(',')[2])).toEqual(
    Array.from({ length: 48 }, (_, i) => String(2 * (i + 1))),
  );
});

test('engines answer as the routes of today do, with the model from the path', async () => {
  const request = { prompt: 'Tim', max_tokens: 4, temperature: 0 };
  const { body: today } = await post('/completions', { ...request, model: MODEL });
  for (const id of ['ada', MODEL]) {
    const { body } = await post(`/engines/${id}/completions`, { ...request, model: null, n: null });
    expect(body).toMatchObject({ object: 'text_completion', model: id, choices: today.choices });
  }
  const { text } = await post('/engines/ada/completions', { ...request, stream: true });
  const chunks = text.split('\n\n').filter((line) => line.startsWith('data: {'));
  const parsed = chunks.map((line) => JSON.parse(line.slice(6)));
  expect(parsed.map((chunk) => chunk.choices[0].text).join('')).toBe(today.choices[0].text);
  expect(text).not.toContain('"error"');
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  const messages = [{ role: 'user', content: 'Hi' }];
  const chat = await post('/engines/gpt-4/chat/completions', { messages, max_tokens: 2 });
  expect(chat.body).toMatchObject({ object: 'chat.completion', model: 'gpt-4' });
  const embedded = await post('/engines/text-embedding-ada-002/embeddings', { input: 'a' });
  expect(embedded.body).toMatchObject({ object: 'list', model: 'text-embedding-ada-002' });
  // Errors come as they come from the routes of today.
  expect(await post('/engines/gone/completions', request)).toMatchObject({
    status: 404,
    body: { error: { code: 'model_not_found' } },
  });
  expect(
    (await post('/engines/ada/completions', { ...request, max_tokens: -1 })).body.error,
  ).toMatchObject({
    param: 'max_tokens',
  });
});

test('the list of engines and one of them', async () => {
  const engine = {
    object: 'engine',
    id: 'ada',
    ready: true,
    owner: 'openai',
    created: null,
    permissions: null,
    replicas: null,
    ready_replicas: null,
    max_replicas: null,
  };
  const { body } = await get('/engines');
  expect(body).toMatchObject({ object: 'list', data: expect.arrayContaining([engine]) });
  expect((await get('/engines/ada')).body).toEqual(engine);
  expect((await get('/engines/gone')).body.error).toMatchObject({ code: 'model_not_found' });
  expect((await post('/engines/ada', { replicas: 1 })).body).toEqual(engine);
  expect((await post('/engines/ada', { replicas: 2 })).body.error).toMatchObject({
    param: 'replicas',
  });
});

test.each([
  ...['/engines/ada/search', '/engines/ada/generate', '/engines/ada/edits'],
  ...['/answers', '/classifications', '/search', '/edits'],
])('what the API has given up is an unknown URL: POST %s', async (path) => {
  expect(await post(path)).toMatchObject({ status: 404, body: { error: { code: 'unknown_url' } } });
});

test('a path that was never one names the two that are', async () => {
  const { status, body } = await post('/fine_tuning', {});
  expect(status).toBe(404);
  expect(body.error.message).toMatch(/\/v1\/fine_tuning\/jobs.*\/v1\/fine-tunes/);
});

test("OpenAI's names stand for the local model, shown with it; a table of one's own comes first", async () => {
  const table = join(server.dataDir, 'models.aliases.json');
  const status = async (model: string) =>
    (await post('/completions', { model, prompt: 'Tim', max_tokens: 1 })).status;
  for (const name of [
    'ada',
    'DAVINCI',
    'text-davinci-003',
    'gpt-3.5-turbo-0125',
    'gpt-4o-mini-2024-07-18',
    'gpt-4-0125-preview',
    'gpt-4-32k-0613',
    'gpt-3.5-turbo-16k',
  ])
    expect(await status(name), name).toBe(200);
  for (const name of ['gpt-4-imagined', 'adam', 'my-own'])
    expect(await status(name), name).toBe(404);
  const { body } = await get('/models');
  expect(body.data[0]).toMatchObject({ id: MODEL, tunery: { kind: 'base' } });
  expect(body.data[0].tunery.aliases).toEqual(expect.arrayContaining(['ada', 'gpt-4o-mini']));
  expect(body.data.map(({ id }: { id: string }) => id)).not.toContain('ada');
  expect((await get('/models/ada')).body).toMatchObject({
    id: 'ada',
    tunery: { kind: 'alias', model: MODEL },
  });
  expect((await call('DELETE', '/models/ada')).status).toBe(403);

  await writeFile(
    table,
    JSON.stringify({ lost: 'gone', 'my-own': MODEL, curie: MODEL, '*': null }),
  );
  expect(await status('my-own')).toBe(200);
  expect(await status('curie')).toBe(200);
  expect(await status('ada')).toBe(404);
  const listed = (await get('/models')).body.data.map(({ id }: { id: string }) => id);
  expect(listed).toEqual(expect.arrayContaining(['my-own', 'curie']));
  const engines = (await get('/engines')).body.data.map(({ id }: { id: string }) => id);
  expect(engines).toContain('my-own');
  for (const list of [listed, engines]) expect(list).not.toContain('lost');
  const { body: job } = await post('/fine_tuning/jobs', { model: 'my-own', training_file: rows });
  expect(job).toMatchObject({ model: 'my-own', tunery: { base_model: MODEL } });
  await post(`/fine_tuning/jobs/${job.id}/cancel`);

  await writeFile(table, '{"ada": 7}');
  const broken = await post('/completions', { model: 'ada', prompt: 'x' });
  expect(broken.body.error).toMatchObject({
    code: 'invalid_aliases',
    message: expect.stringContaining('models.aliases.json'),
  });
  expect(await status(MODEL)).toBe(200);
  await rm(table);
  expect(await status('ada')).toBe(200);
});

test('a table of names that is asked for and cannot be read ends the start', async () => {
  const start = (text: string | null) => {
    const path = join(server.directory, 'names.json');
    const written = text === null ? rm(path, { force: true }) : writeFile(path, text);
    return written.then(() =>
      startServer({ port: 0, dataDir: join(server.directory, 'other'), aliasesFile: path }),
    );
  };
  for (const text of [null, '{"ada": ', '[]'])
    await expect(start(text), String(text)).rejects.toMatchObject({
      code: 'invalid_aliases',
      message: expect.stringContaining('names.json'),
    });
});
