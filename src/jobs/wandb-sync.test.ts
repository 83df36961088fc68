// Jobs with a `wandb` integration against a server that speaks as much of the protocol as the maintained
// client uses: runs by GraphQL, history by file_stream.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { expect, onTestFinished, test } from 'vitest';
import { pretendApp, until } from '../testing/pretend-app.ts';
import { temporaryStore } from '../testing/temporary-store.ts';

type Run = {
  variables: Record<string, unknown>;
  config: Record<string, { value: unknown }>;
  history: Record<string, unknown>[];
  summary: Record<string, unknown> | null;
  exitcode: number | null;
};
type Stream = {
  files?: Record<string, { offset: number; content: string[] }>;
  complete?: boolean;
  exitcode?: number;
};

/** `refuse`: what it answers while that is set. */
async function wandbServer() {
  const runs = new Map<string, Run>();
  const state = { refuse: 0, requests: 0, keys: new Set<string>() };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    state.requests += 1;
    state.keys.add(Buffer.from(request.headers.authorization?.slice(6) ?? '', 'base64').toString());
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (state.refuse !== 0) return answer(state.refuse, { error: 'no' });
    if (request.url === '/graphql') {
      const { query, variables } = JSON.parse(text);
      expect(query).toMatch(/^mutation UpsertBucket\(/);
      const { name, project, entity } = variables;
      const owner = entity ?? 'the-keys-owner';
      const path = `${owner}/${project}/${name}`;
      const before = runs.get(path);
      runs.set(path, {
        history: [],
        summary: null,
        exitcode: null,
        ...before,
        variables,
        config: JSON.parse(variables.config),
      });
      const bucket = { id: 'x', name, project: { name: project, entity: { name: owner } } };
      return answer(200, { data: { upsertBucket: { bucket, inserted: !before } } });
    }
    const path = /^\/files\/(.+)\/file_stream$/.exec(decodeURIComponent(request.url ?? ''))?.[1];
    const run = runs.get(path ?? '');
    if (run === undefined) return answer(404, { error: `no run ${path}` });
    const { files = {}, complete, exitcode }: Stream = JSON.parse(text);
    const history = files['wandb-history.jsonl'];
    if (history)
      run.history.splice(
        history.offset,
        Infinity,
        ...history.content.map((line) => JSON.parse(line)),
      );
    const summary = files['wandb-summary.json'];
    if (summary) run.summary = JSON.parse(summary.content[0]!);
    if (complete) run.exitcode = exitcode ?? null;
    answer(200, {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { runs, state, config: { baseUrl: `http://127.0.0.1:${port}/`, apiKey: 'a-key' } };
}

const integrations = [
  { type: 'wandb' as const, wandb: { project: 'bikes', tags: ['mine'] } },
  { type: 'wandb' as const, wandb: { project: 'bikes', name: 'Second', entity: 'acme' } },
];

const eventually = async (check: () => void) => {
  for (let i = 0; ; i++) {
    try {
      return check();
    } catch (error) {
      if (i > 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
};

test('a job sends its numbers and every step to each of its runs', async () => {
  const wandb = await wandbServer();
  const app = await pretendApp(await temporaryStore(), {
    config: { wandb: wandb.config },
    wandbPaceMs: 5,
  });
  const job = await app.create({ steps: 20, msPerStep: 5 }, { integrations });
  expect(job.integrations).toEqual([
    {
      type: 'wandb',
      wandb: { project: 'bikes', entity: null, name: null, tags: ['mine'], run_id: job.id },
    },
    {
      type: 'wandb',
      wandb: { project: 'bikes', entity: 'acme', name: 'Second', tags: [], run_id: `${job.id}-2` },
    },
  ]);
  const { fine_tuned_model } = await until(app, job.id, ({ status }) => status === 'succeeded');
  await eventually(() => {
    expect([...wandb.runs.values()].map(({ exitcode }) => exitcode)).toEqual([0, 0]);
  });
  const first = wandb.runs.get(`the-keys-owner/bikes/${job.id}`)!;
  expect(first.variables).toMatchObject({
    displayName: job.id,
    state: 'running',
    tags: ['mine', 'openai/fine-tuning', `openai/${job.id}`, 'openai/tiny-1m'],
  });
  expect(first.config).toMatchObject({
    model: { value: 'tiny-1m' },
    n_epochs: { value: 2 },
    batch_size: { value: 1 },
    seed: { value: job.seed },
  });
  expect(first.history.map(({ _step }) => _step)).toEqual(
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  expect(first.history[1]).toMatchObject({ train_loss: 0.5, _timestamp: expect.any(Number) });
  expect(first.summary).toMatchObject({ _step: 20, status: 'succeeded', fine_tuned_model });
  const second = wandb.runs.get(`acme/bikes/${job.id}-2`)!;
  expect(second.variables['displayName']).toBe('Second');
  expect(second.history).toEqual(first.history);
  expect([...wandb.state.keys]).toEqual(['api:a-key']);
  const { data } = await app.client.fineTuning.jobs.listEvents(job.id, { limit: 100 });
  expect(data.map(({ message }) => message)).toContain(
    `Weights & Biases run: ${wandb.config.baseUrl}the-keys-owner/bikes/runs/${job.id}`,
  );
});

test('a server that is away delays the metrics and not the job', async () => {
  const wandb = await wandbServer();
  wandb.state.refuse = 503;
  const app = await pretendApp(await temporaryStore(), {
    config: { wandb: wandb.config },
    wandbPaceMs: 5,
  });
  const job = await app.create({}, { integrations: integrations.slice(0, 1) });
  await until(app, job.id, ({ status }) => status === 'succeeded');
  expect(wandb.runs.size).toBe(0);
  wandb.state.refuse = 0;
  await eventually(() => expect(wandb.runs.values().next().value?.exitcode).toBe(0));
  expect(wandb.runs.values().next().value?.history).toHaveLength(6);
});

test('a server that refuses costs the job a warning', async () => {
  const wandb = await wandbServer();
  wandb.state.refuse = 401;
  const app = await pretendApp(await temporaryStore(), {
    config: { wandb: wandb.config },
    wandbPaceMs: 5,
  });
  const job = await app.create(
    { steps: 30, msPerStep: 20 },
    { integrations: integrations.slice(0, 1) },
  );
  await until(app, job.id, ({ status }) => status === 'succeeded');
  const { data } = await app.client.fineTuning.jobs.listEvents(job.id, { limit: 100 });
  const warning = data.find(({ level }) => level === 'warn');
  expect(warning?.message).toMatch(/^Weights & Biases refused the run .* 401 /);
  const { requests } = wandb.state;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(wandb.state.requests).toBe(requests);
});

test('what a stopped server has not sent, the next one sends', async () => {
  const wandb = await wandbServer();
  wandb.state.refuse = 503;
  const store = await temporaryStore();
  const options = { config: { wandb: wandb.config }, wandbPaceMs: 5 };
  const app = await pretendApp(store, options);
  const job = await app.create({}, { integrations: integrations.slice(0, 1) });
  await until(app, job.id, ({ status }) => status === 'succeeded');
  await app.jobs.close();
  wandb.state.refuse = 0;
  await pretendApp(store, options);
  await eventually(() => expect(wandb.runs.values().next().value?.exitcode).toBe(0));
  expect(wandb.runs.values().next().value?.history).toHaveLength(6);
});

test('without a configured server the parameter is refused by name', async () => {
  const app = await pretendApp(await temporaryStore());
  const refused = await app.create({}, { integrations }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(OpenAI.BadRequestError);
  expect(refused).toMatchObject({
    param: 'integrations',
    message: expect.stringContaining('WANDB_BASE_URL'),
  });
  expect((await app.create({}, { integrations: [] })).integrations).toEqual([]);
});
