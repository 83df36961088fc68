// What the official client sees of jobs, with children that only pretend to train.
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { pretendApp, until } from '../testing/pretend-app.ts';
import { temporaryStore } from '../testing/temporary-store.ts';

const refusal = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => new Error('was not refused'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof OpenAI.APIError)) throw error;
  const { status, param, code, message } = error;
  return { status, param, code, message: message.slice(4) };
};
const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id);
const LONG = { steps: 400, msPerStep: 20 };

test('a job is paused, resumed and cancelled, and each answer has its new state', async () => {
  const app = await pretendApp(await temporaryStore());
  const { jobs } = app.client.fineTuning;
  const { id } = await app.create(LONG);
  expect(await refusal(jobs.resume(id))).toMatchObject({ status: 400, param: null, code: null });
  const running = await until(app, id, ({ status }) => status === 'running');
  expect(running.estimated_finish).toBeGreaterThanOrEqual(running.created_at);
  expect((await jobs.pause(id)).status).toBe('paused');
  expect((await jobs.list()).data[0]?.status).toBe('paused');
  expect(await refusal(jobs.pause(id))).toMatchObject({ status: 400 });
  expect(await jobs.resume(id)).toMatchObject({ status: 'queued', estimated_finish: null });
  await until(app, id, ({ status }) => status === 'running');
  const cancelled = await jobs.cancel(id);
  expect(cancelled).toMatchObject({ status: 'cancelled', error: null, fine_tuned_model: null });
  expect(cancelled).toMatchObject({ finished_at: null, tunery: { ended_at: expect.any(Number) } });
  for (const call of [jobs.cancel(id), jobs.pause(id), jobs.resume(id)])
    expect(await refusal(call)).toEqual({
      status: 400,
      param: null,
      code: null,
      message: `Job has already been cancelled: ${id}`,
    });
  const { id: short } = await app.create();
  await until(app, short, ({ status }) => status === 'succeeded');
  const { message } = await refusal(jobs.cancel(short));
  expect(message).toBe(`Job has already completed: ${short}`);
});

test('a job that is paused before its files are validated waits until it is resumed', async () => {
  const app = await pretendApp(await temporaryStore());
  const { jobs } = app.client.fineTuning;
  const { id } = await app.create();
  expect((await jobs.pause(id)).status).toBe('paused');
  const { id: other } = await app.create();
  await until(app, other, ({ status }) => status === 'succeeded');
  expect(await jobs.retrieve(id)).toMatchObject({ status: 'paused', error: null });
  expect((await jobs.resume(id)).status).toBe('validating_files');
  await until(app, id, ({ status }) => status === 'succeeded');
  const { data } = await jobs.listEvents(id, { limit: 100 });
  expect(data.map(({ message }) => message)).toContain(
    'Fine-tuning job resumed, validating its files again',
  );
});

test('a job is cancelled without a body, and by an empty one of any type', async () => {
  const { app, create } = await pretendApp(await temporaryStore());
  for (const type of [null, 'application/json', 'application/x-www-form-urlencoded']) {
    const { id } = await create(LONG);
    const empty = type === null ? {} : { body: '', headers: { 'content-type': type } };
    const path = `/v1/fine_tuning/jobs/${id}/cancel`;
    const response = await app.request(path, { method: 'POST', ...empty });
    expect(await response.json()).toMatchObject({ id, status: 'cancelled' });
  }
});

test('lists are newest first, page by page, and filter by metadata', async () => {
  const app = await pretendApp(await temporaryStore());
  const { jobs } = app.client.fineTuning;
  const team = (name: string) => ({ metadata: { team: name, 'a key': 'x=y&z' } });
  const all: string[] = [];
  for (const more of [team('a'), team('b'), {}, team('a'), {}])
    all.unshift((await app.create(LONG, more)).id);
  const visited: string[] = [];
  for await (const job of jobs.list({ limit: 1 })) visited.push(job.id);
  expect(visited).toEqual(all);
  const found = async (metadata: Record<string, string> | null) =>
    ids((await jobs.list({ metadata })).data);
  expect(await found({ team: 'a' })).toEqual([all[1], all[4]]);
  expect(await found({ team: 'a', 'a key': 'x=y&z' })).toEqual([all[1], all[4]]);
  expect(await found({ team: 'c' })).toEqual([]);
  expect(await found(null)).toEqual([all[0], all[2]]);
  const filtered: string[] = [];
  for await (const job of jobs.list({ metadata: { team: 'a' }, limit: 1 })) filtered.push(job.id);
  expect(filtered).toEqual([all[1], all[4]]);
  const bare = await app.create(LONG, { metadata: {} });
  const empty = await app.create(LONG, { metadata: { note: '' } });
  expect(await found(null)).toEqual([bare.id, all[0], all[2]]);
  const asked = await app.app.request('/v1/fine_tuning/jobs?metadata%5Bnote%5D=');
  expect(ids(((await asked.json()) as { data: { id: string }[] }).data)).toEqual([empty.id]);
  all.unshift(bare.id);
  const raw = await app.app.request('/v1/fine_tuning/jobs?metadata=null&limit=1');
  expect(await raw.json()).toMatchObject({ data: [{ id: all[0] }], has_more: true });
  // A job that the filter does not let through is in no page of that list.
  expect(await refusal(jobs.list({ metadata: { team: 'a' }, after: all[0]! }))).toMatchObject({
    status: 400,
    param: 'after',
  });
});

test('a GET where a POST is needed is a 405 that says so', async () => {
  const { app } = await pretendApp(await temporaryStore());
  for (const verb of ['cancel', 'pause', 'resume']) {
    const response = await app.request(`/v1/fine_tuning/jobs/ftjob-x/${verb}`);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error.message).toContain('use POST');
  }
});

test('other methods beside the one that is asked for mean nothing', async () => {
  const app = await pretendApp(await temporaryStore());
  const job = await app.create(LONG, {
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { n_epochs: 2, batch_size: 'auto' } },
      dpo: { hyperparameters: { beta: 'auto' } },
      reinforcement: {
        grader: { type: 'string_check', name: 'n', input: 'i', operation: 'eq', reference: 'r' },
      },
    },
    hyperparameters: { n_epochs: 9 },
  });
  expect(job.hyperparameters).toEqual({
    n_epochs: 2,
    batch_size: 'auto',
    learning_rate_multiplier: 'auto',
  });
  expect(job.method).toEqual({
    type: 'supervised',
    supervised: { hyperparameters: job.hyperparameters },
  });
});

const REFUSED: readonly [object, string, RegExp][] = [
  [{ method: { type: 'dpo' } }, 'method.type', /'dpo'/],
  [{ method: { type: 'reinforcement' } }, 'method.type', /'reinforcement'/],
  [{ method: { type: 'magic' } }, 'method.type', /magic/],
  [{ method: {} }, 'method.type', /Missing/],
  [{ model: undefined }, 'model', /Missing required parameter: 'model'/],
  [{ model: 7 }, 'model', /expected string/],
  [{ model: 'gpt-none' }, 'model', /does not exist/],
  [{ training_file: 'file-none' }, 'training_file', /invalid training_file: file-none/],
  [{ training_file: null }, 'training_file', /Missing/],
  [{ validation_file: 'file-none' }, 'validation_file', /invalid validation_file/],
  [{ suffix: '' }, 'suffix', /too small/],
  [{ suffix: 'x'.repeat(65) }, 'suffix', /too big/],
  [{ suffix: '!!' }, 'suffix', /no letter/],
  [{ seed: -1 }, 'seed', /-1/],
  [{ seed: 2 ** 31 }, 'seed', /2147483648/],
  [{ seed: 1.5 }, 'seed', /1.5/],
  [{ hyperparameters: { n_epochs: 0 } }, 'hyperparameters.n_epochs', /0/],
  [{ hyperparameters: { n_epochs: 51 } }, 'hyperparameters.n_epochs', /51/],
  [{ hyperparameters: { n_epochs: 'many' } }, 'hyperparameters.n_epochs', /many/],
  [{ hyperparameters: { batch_size: 257 } }, 'hyperparameters.batch_size', /257/],
  [
    { hyperparameters: { learning_rate_multiplier: 0 } },
    'hyperparameters.learning_rate_multiplier',
    /0/,
  ],
  [
    { method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: -1 } } } },
    'method.supervised.hyperparameters.n_epochs',
    /-1/,
  ],
  [{ n_epochs: 3 }, 'n_epochs', /belongs into 'hyperparameters'/],
  [{ metadata: { k: 'v'.repeat(513) } }, 'metadata.k', /too big/],
  [{ metadata: { k: 1 } }, 'metadata.k', /expected string/],
  [
    { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])) },
    'metadata',
    /16/,
  ],
  [{ integrations: [{ type: 'mlflow' }] }, 'integrations[0].type', /mlflow/],
  [{ integrations: [{ type: 'wandb', wandb: {} }] }, 'integrations[0].wandb.project', /Missing/],
  [{ integrations: 'wandb' }, 'integrations', /array/],
  [{ suffix: 'a\0b' }, 'suffix', /NUL/],
];

test('a parameter that cannot be is refused by its name', async () => {
  const app = await pretendApp(await temporaryStore());
  for (const [params, param, message] of REFUSED)
    expect([params, await refusal(app.create({}, params))]).toMatchObject([
      params,
      { status: 400, param, message: expect.stringMatching(message) },
    ]);
  expect((await app.client.fineTuning.jobs.list()).data).toEqual([]);
});

test('paging through the events of a running job neither skips nor repeats one', async () => {
  const app = await pretendApp(await temporaryStore());
  const { jobs } = app.client.fineTuning;
  const { id } = await app.create({ steps: 150, msPerStep: 4 });
  await until(app, id, ({ status }) => status === 'running');
  let rounds = 0;
  let running = true;
  while (running) {
    running = (await jobs.retrieve(id)).status === 'running';
    const newest = (await jobs.list({ limit: 1 })).data[0]!;
    expect(newest.id).toBe(id);
    const seen: OpenAI.FineTuning.FineTuningJobEvent[] = [];
    for await (const event of jobs.listEvents(id, { limit: 7 })) seen.push(event);
    expect(new Set(ids(seen)).size).toBe(seen.length);
    const steps = seen
      .filter(({ type }) => type === 'metrics')
      .map(({ data }) => (data as { step: number }).step);
    // From the newest at the time of the first page down to the first: no gap.
    expect(steps).toEqual(Array.from({ length: steps.length }, (_, i) => steps.length - i));
    expect(seen.at(-1)?.message).toBe(`Created fine-tuning job: ${id}`);
    rounds += 1;
  }
  expect(rounds).toBeGreaterThan(2);
});

test('general rows need a file that is there and a ratio', async () => {
  const app = await pretendApp(await temporaryStore());
  const { id } = await app.create();
  const { training_file } = await until(app, id, ({ status }) => status === 'succeeded');
  const param = async (tunery: object) => {
    const response = await app.app.request('/v1/fine_tuning/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'tiny-1m', training_file, tunery }),
    });
    const { error } = (await response.json()) as { error: { param: string } | null };
    return [response.status, error?.param];
  };
  const file = { general_file: 'file-none' };
  expect(await param(file)).toEqual([400, 'tunery.general_ratio']);
  expect(await param({ general_ratio: '1:5' })).toEqual([400, 'tunery.general_file']);
  expect(await param({ ...file, general_ratio: '1:0' })).toEqual([400, 'tunery.general_ratio']);
  expect(await param({ ...file, general_ratio: '1:5' })).toEqual([400, 'tunery.general_file']);
  expect(await param({ general_file: training_file, general_ratio: '1:5' })).toEqual([
    200,
    undefined,
  ]);
});

test('an id in the wrong place is told where it belongs', async () => {
  const app = await pretendApp(await temporaryStore());
  const { id } = await app.create();
  const { fine_tuned_model } = await until(app, id, ({ status }) => status === 'succeeded');
  const message = async (method: string, path: string) => {
    const response = await app.app.request(path, { method });
    expect(response.status).toBe(404);
    return ((await response.json()) as { error: { message: string } }).error.message;
  };
  expect(await message('DELETE', `/v1/models/${id}`)).toContain(`'${fine_tuned_model}'`);
  expect(await message('DELETE', '/v1/models/ft-none')).toBe("The model 'ft-none' does not exist");
  expect(await message('GET', `/v1/fine-tunes/${id}`)).toContain(`/v1/fine_tuning/jobs/${id}`);
  const legacy = '/v1/fine_tuning/jobs/ft-none/events';
  expect(await message('GET', legacy)).toContain('/v1/fine-tunes/ft-none');
});

test('a follower that comes back names the last event it saw and gets the rest', async () => {
  const { app, client, create } = await pretendApp(await temporaryStore());
  const { id } = await create({ steps: 30, msPerStep: 4 });
  const path = `/v1/fine_tuning/jobs/${id}/events?stream=true`;
  const lines = async (more: string) => {
    const text = await (await app.request(path + more)).text();
    return text.split('\n\n').filter((line) => line.startsWith('data: '));
  };
  const [first] = (await client.fineTuning.jobs.listEvents(id)).data;
  const live = await lines(`&after=${first!.id}`);
  const all = await lines('');
  const place = all.findIndex((line) => line.includes(first!.id));
  expect(live).toEqual(all.slice(place + 1));
  const last = JSON.parse(all.at(-2)!.slice(6)) as { id: string };
  expect(await lines(`&after=${last.id}`)).toEqual(['data: [DONE]']);
  const unknown = await app.request(`${path}&after=ftevent-none`);
  expect([unknown.status, await unknown.json()]).toMatchObject([
    400,
    { error: { param: 'after' } },
  ]);
});

test('followers that come at any time get every event once and the end', async () => {
  const { app, create } = await pretendApp(await temporaryStore());
  const { id } = await create({ steps: 60, msPerStep: 4 });
  const follow = async (afterMs: number) => {
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    const response = await app.request(`/v1/fine_tuning/jobs/${id}/events?stream=true`);
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    return (await response.text()).split('\n\n').filter((line) => line.startsWith('data: '));
  };
  const all = await Promise.all(Array.from({ length: 30 }, (_, i) => follow(i * 20)));
  const [first] = all;
  expect(first?.at(-1)).toBe('data: [DONE]');
  const messages = first!.slice(0, -1).map((line) => JSON.parse(line.slice(6)).message as string);
  expect(messages.filter((text) => text.startsWith('Step '))).toHaveLength(60);
  expect(messages.at(-1)).toBe('The job has successfully completed');
  for (const lines of all) expect(lines).toEqual(first);
  const unknown = await app.request('/v1/fine_tuning/jobs/ftjob-none/events?stream=true');
  expect([unknown.status, unknown.headers.get('content-type')]).toEqual([404, 'application/json']);
});

test('checkpoints are listed newest first, are models, and are shared with projects', async () => {
  const app = await pretendApp(await temporaryStore());
  const { client } = app;
  const { id } = await app.create();
  await until(app, id, ({ status }) => status === 'succeeded');
  const { data } = await client.fineTuning.jobs.checkpoints.list(id);
  expect(data).toMatchObject([
    {
      object: 'fine_tuning.job.checkpoint',
      fine_tuning_job_id: id,
      step_number: 3,
      metrics: { step: 3, train_loss: expect.any(Number) },
    },
  ]);
  const [{ id: checkpoint, fine_tuned_model_checkpoint: model }] = data as [(typeof data)[0]];
  expect(checkpoint).toMatch(/^ftckpt_\w{24}$/);
  expect(model).toMatch(/:ckpt-step-3$/);
  expect(await client.models.retrieve(model)).toMatchObject({ id: model, object: 'model' });

  const { permissions } = client.fineTuning.checkpoints;
  const granted: string[] = [];
  for await (const permission of permissions.create(model, { project_ids: ['proj_a', 'proj_b'] })) {
    expect(permission).toMatchObject({
      object: 'checkpoint.permission',
      id: expect.stringMatching(/^cp_\w+$/),
    });
    granted.push(permission.id);
  }
  for await (const again of permissions.create(checkpoint, { project_ids: ['proj_c', 'proj_a'] }))
    if (!granted.includes(again.id)) granted.push(again.id);
  expect(granted).toHaveLength(3);
  const listed = async (query: object) => {
    const all: string[] = [];
    for await (const permission of permissions.list(model, { limit: 1, ...query }))
      all.push(permission.id);
    return all;
  };
  expect(await listed({})).toEqual(granted.toReversed());
  expect(await listed({ order: 'ascending' })).toEqual(granted);
  expect(await listed({ project_id: 'proj_b' })).toEqual([granted[1]]);
  const deleted = await permissions.delete(granted[1]!, { fine_tuned_model_checkpoint: model });
  expect(deleted).toEqual({ id: granted[1], object: 'checkpoint.permission', deleted: true });
  expect(
    await refusal(permissions.delete(granted[1]!, { fine_tuned_model_checkpoint: model })),
  ).toMatchObject({ status: 404 });
  expect(await listed({})).toEqual([granted[2], granted[0]]);
  expect(await refusal(permissions.create('ft:none', { project_ids: ['p'] }))).toMatchObject({
    status: 404,
    code: 'model_not_found',
  });
  expect(await refusal(permissions.create(model, { project_ids: [] }))).toMatchObject({
    status: 400,
    param: 'project_ids',
  });
  const empty = await app.app.request(
    `/v1/fine_tuning/checkpoints/${encodeURIComponent(model)}/permissions?project_id=none`,
  );
  expect(await empty.json()).toEqual({
    object: 'list',
    data: [],
    first_id: null,
    last_id: null,
    has_more: false,
  });
});

test('a job goes on from a fine-tuned model and from a checkpoint, and keeps them from deletion', async () => {
  const app = await pretendApp(await temporaryStore());
  const { client } = app;
  const { id } = await app.create();
  const { fine_tuned_model } = await until(app, id, ({ status }) => status === 'succeeded');
  const [checkpoint] = (await client.fineTuning.jobs.checkpoints.list(id)).data;
  for (const model of [fine_tuned_model!, checkpoint!.fine_tuned_model_checkpoint]) {
    const next = await app.create(LONG, { model });
    expect(next.model).toBe(model);
    const { message, ...rest } = await refusal(client.models.delete(model));
    expect(rest).toEqual({ status: 400, param: 'model', code: 'model_in_use' });
    expect(message).toContain(next.id);
    await client.fineTuning.jobs.cancel(next.id);
    expect(await client.models.delete(model)).toEqual({
      id: model,
      object: 'model',
      deleted: true,
    });
    expect(await refusal(app.create({}, { model }))).toMatchObject({
      status: 400,
      code: 'model_not_found',
    });
  }
});

test('a deleted file is gone, and the answer names the jobs that go on with its rows', async () => {
  const app = await pretendApp(await temporaryStore());
  const { client } = app;
  const job = await app.create(LONG);
  await until(app, job.id, ({ status }) => status === 'running');
  expect(await client.files.delete(job.training_file)).toEqual({
    id: job.training_file,
    object: 'file',
    deleted: true,
    tunery: { used_by: [job.id] },
  });
  expect(await refusal(client.files.retrieve(job.training_file))).toMatchObject({ status: 404 });
  await client.fineTuning.jobs.pause(job.id);
  await client.fineTuning.jobs.resume(job.id);
  await until(app, job.id, ({ status }) => status === 'running');
  expect(await refusal(app.create({}, { training_file: job.training_file }))).toMatchObject({
    status: 400,
    param: 'training_file',
  });
});

test.each([1, 2])('of three jobs %i train at the same time', async (trainers) => {
  const app = await pretendApp(await temporaryStore(), { trainers });
  const jobs = [await app.create(LONG), await app.create(LONG), await app.create(LONG)];
  const states = async () =>
    (await app.client.fineTuning.jobs.list()).data.map(({ status }) => status).sort();
  while ((await states()).filter((status) => status === 'running').length < trainers);
  while ((await states()).includes('validating_files'));
  expect((await states()).filter((status) => status === 'running')).toHaveLength(trainers);
  for (const { id } of jobs) await app.client.fineTuning.jobs.cancel(id);
});
