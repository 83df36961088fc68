// What each field of a job and of a legacy fine-tune does to the training of the tiny model. All are
// queued at once on one server; each test waits for those that it compares.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { labelled, pairs, startTinyServer, type TinyServer } from '../clients/tiny-server.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const MODEL = 'stories260k';
let server: TinyServer;
// biome-ignore lint/suspicious/noExplicitAny: JSON, looked at by the tests
type Answer = any;

async function send(path: string, body?: object): Promise<Answer> {
  const root = path.startsWith('/tunery') ? server.base.replace(/\/v1$/, '') : server.base;
  const response = await fetch(`${root}${path}`, {
    ...(body !== undefined && {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return response.headers.get('content-type')?.startsWith('application/json')
    ? JSON.parse(text)
    : text;
}

async function upload(rows: readonly object[]): Promise<string> {
  const form = new FormData();
  form.append('purpose', 'fine-tune');
  form.append('file', new Blob([rows.map((row) => JSON.stringify(row)).join('\n')]), 'a.jsonl');
  const answer = await fetch(`${server.base}/files`, { method: 'POST', body: form });
  return ((await answer.json()) as { id: string }).id;
}

const TWO_EPOCHS = { n_epochs: 2, batch_size: 6, learning_rate_multiplier: 1 };
const method = { type: 'supervised', supervised: { hyperparameters: TWO_EPOCHS } };
const PLAIN = { precision: 'f32', warmup_ratio: 0, learning_rate: 0.01 };
const SHAPE = {
  ...{ rank: 2, alpha: 7, targets: ['q_proj', 'up_proj'], rank_stabilized: true },
  ...{ learning_rate: 0.002, context_length: 16, threads: 1, warmup_ratio: 0 },
};

/** The fields of each job beside model, file, two epochs of two steps, seed 1 and PLAIN. */
const JOBS = {
  plain: {},
  again: {},
  'another seed': { seed: 2 },
  'the older spelling': {
    method: undefined,
    hyperparameters: { n_epochs: 1, batch_size: 4, learning_rate_multiplier: 3 },
  },
  multiplied: {
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { ...TWO_EPOCHS, learning_rate_multiplier: 0.1 } },
    },
  },
  'eight bits': { tunery: { ...PLAIN, precision: 'int8' } },
  constant: { tunery: { ...PLAIN, schedule: 'constant', warmup_ratio: 0.5 } },
  decayed: { tunery: { ...PLAIN, weight_decay: 50 } },
  clipped: { tunery: { ...PLAIN, max_grad_norm: 1e-9 } },
  shaped: { tunery: SHAPE },
  refused: { tunery: { ...PLAIN, context_length: 16, long_rows: 'refuse' } },
} as const satisfies Record<string, object>;

const LEGACY = {
  flat: { n_epochs: 2, batch_size: 3, learning_rate_multiplier: 0.1 },
  nested: { hyperparameters: { n_epochs: 2, batch_size: 3, learning_rate_multiplier: 0.1 } },
  slower: { n_epochs: 2, batch_size: 3, learning_rate_multiplier: 0.01 },
  weighted: { n_epochs: 2, batch_size: 3, learning_rate_multiplier: 0.1, prompt_loss_weight: 0.9 },
  shaped: { n_epochs: 1, batch_size: 6, tunery: SHAPE },
  classes: { n_epochs: 1, batch_size: 6, classification_n_classes: 2 },
  binary: {
    ...{ n_epochs: 1, batch_size: 6 },
    ...{ classification_positive_class: ' a', classification_betas: [1, 2] },
  },
} as const satisfies Record<string, object>;

/** Each changes what a fine-tune of four steps computes. */
const LEGACY_OPTIONS = {
  learning_rate: 0.02,
  schedule: 'constant',
  warmup_ratio: 1,
  precision: 'int8',
  weight_decay: 50,
  max_grad_norm: 1e-9,
} as const;

const jobs = new Map<string, string>();
const fineTunes = new Map<string, string>();
beforeAll(async () => {
  server = await startTinyServer({ trainers: 2 });
  const training_file = await upload(pairs(12));
  const validation_file = await upload(pairs(4));
  const common = { model: MODEL, training_file, validation_file, method, seed: 1, tunery: PLAIN };
  for (const [name, fields] of Object.entries(JOBS))
    jobs.set(name, (await send('/fine_tuning/jobs', { ...common, ...fields })).id);
  const labels = await upload(labelled(6));
  const six = await upload(pairs(6));
  for (const [name, fields] of Object.entries(LEGACY)) {
    const classes = name === 'classes' || name === 'binary';
    const files = classes
      ? { training_file: labels, validation_file: labels, compute_classification_metrics: true }
      : { training_file: six };
    const request = { model: 'ada', seed: 1, ...files, ...fields };
    fineTunes.set(name, (await send('/fine-tunes', request)).id);
  }
  const short = { model: 'ada', seed: 1, training_file: six, n_epochs: 2, batch_size: 3 };
  const optional = async (name: string, options: object) => {
    const tunery = { ...PLAIN, ...options };
    fineTunes.set(name, (await send('/fine-tunes', { ...short, tunery })).id);
  };
  await optional('as it is', {});
  for (const [name, value] of Object.entries(LEGACY_OPTIONS))
    await optional(name, { [name]: value });
  await optional('long_rows', { context_length: 16, long_rows: 'refuse' });
  const rude = [...pairs(5), { prompt: 'Tim ->', completion: ' I want to kill them all.' }];
  const flagged = { training_file: await upload(rude), tunery: { moderation: 'refuse' } };
  fineTunes.set('moderation', (await send('/fine-tunes', { ...short, ...flagged })).id);
});
afterAll(() => server.close());

async function ended(path: string): Promise<Answer> {
  for (;;) {
    const found = await send(path);
    if (['succeeded', 'failed', 'cancelled'].includes(found.status)) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
async function job(name: keyof typeof JOBS): Promise<Answer> {
  const found = await ended(`/fine_tuning/jobs/${jobs.get(name)}`);
  const end = name === 'refused' ? 'failed' : 'succeeded';
  expect(found.status, `${name}: ${JSON.stringify(found.error)}`).toBe(end);
  return found;
}
const csv = async ({ result_files: [file] }: Answer): Promise<string> =>
  send(`/files/${file.id ?? file}/content`);
const column = (text: string, name: string) => {
  const [header, ...lines] = text.trim().split('\n');
  const at = header!.split(',').indexOf(name);
  expect(at, `${name} of ${header}`).toBeGreaterThanOrEqual(0);
  return lines.map((line) => line.split(',')[at]!);
};
const losses = async (name: keyof typeof JOBS) =>
  column(await csv(await job(name)), 'train_loss').map(Number);
const rates = async (name: keyof typeof JOBS) => {
  const { data } = await send(`/fine_tuning/jobs/${jobs.get(name)}/events?limit=100`);
  return data
    .filter((event: Answer) => event.type === 'metrics')
    .map((event: Answer) => event.data.learning_rate)
    .reverse();
};
async function adapterOf(model: string): Promise<Answer> {
  const { output } = await send('/tunery/v1/export', { model, format: 'peft' });
  return JSON.parse(await readFile(join(output, 'adapter_config.json'), 'utf8'));
}

test('the same seed gives the same numbers, another seed other ones', async () => {
  const plain = await csv(await job('plain'));
  expect(await csv(await job('again'))).toBe(plain);
  expect(await csv(await job('another seed'))).not.toBe(plain);
});

test('epochs, batches and the multiplier of the rate are those that were asked for', async () => {
  expect((await job('plain')).tunery.plan).toMatchObject({ total_steps: 4, learning_rate: 0.01 });
  const first = await losses('plain');
  expect(first).toHaveLength(4);
  const slow = await losses('multiplied');
  expect(slow[0]).toBeCloseTo(first[0]!, 4);
  expect(slow.at(-1)! - slow[0]!).toBeGreaterThan(first.at(-1)! - first[0]!);
});

test('hyperparameters beside method are the older spelling of the same', async () => {
  const older = await job('the older spelling');
  expect(older.tunery.plan).toMatchObject({ total_steps: 3, learning_rate: 0.03 });
  expect(await losses('the older spelling')).toHaveLength(3);
});

test('the rate follows schedule and warmup_ratio', async () => {
  const [linear, constant] = [await job('plain'), await job('constant')];
  expect([linear.status, constant.status]).toEqual(['succeeded', 'succeeded']);
  const falling: number[] = await rates('plain');
  expect(falling).toEqual(falling.toSorted((a, b) => b - a));
  expect(falling.at(-1)).toBeLessThan(falling[0]!);
  const [first, ...others]: number[] = await rates('constant');
  expect(first).toBeLessThan(others.at(-1)!);
  expect(new Set(others.slice(-2)).size).toBe(1);
});

test('weight decay, clipping and eight bits each change the numbers', async () => {
  const plain = await losses('plain');
  for (const name of ['decayed', 'eight bits'] as const)
    expect(await losses(name), name).not.toEqual(plain);
  // With next to no gradient next to nothing is learned.
  const clipped = await losses('clipped');
  expect(clipped.at(-1)! - plain.at(-1)!).toBeGreaterThan(0.05);
  expect((await job('eight bits')).tunery.plan.precision).toBe('int8');
});

test('the validation file is measured at the end of each epoch', async () => {
  const cells = column(await csv(await job('plain')), 'valid_loss');
  expect(cells.map((cell) => cell !== '')).toEqual([false, true, false, true]);
});

test('checkpoint_seconds lets a killed trainer go on from inside an epoch', async () => {
  const { id } = await send('/fine_tuning/jobs', {
    model: MODEL,
    training_file: await upload(pairs(1000)),
    hyperparameters: { n_epochs: 1, batch_size: 1 },
    tunery: { ...PLAIN, checkpoint_seconds: 0.000_001 },
  });
  const { body } = await fetch(`${server.base}/fine_tuning/jobs/${id}/events?stream=true`);
  const GOES_ON = /goes on from the checkpoint of step \d+\/1000/;
  let told = '';
  let killed = false;
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    told += text;
    if (GOES_ON.test(told)) break;
    if (killed || !told.includes('Step 2/1000')) continue;
    killed = true;
    const pid = await readFile(join(server.dataDir, 'jobs', id, 'lock.pid'), 'utf8');
    process.kill(Number(pid), 'SIGKILL');
  }
  expect(told).toMatch(GOES_ON);
  await send(`/fine_tuning/jobs/${id}/cancel`, {});
});

test('the adapter has the rank, strength, layers and scale that were asked for', async () => {
  const { fine_tuned_model, tunery } = await job('shaped');
  expect(await adapterOf(fine_tuned_model)).toMatchObject({
    r: 2,
    lora_alpha: 7,
    target_modules: ['q_proj', 'up_proj'],
    use_rslora: true,
  });
  expect(tunery.plan).toMatchObject({ learning_rate: 0.002, threads: 1, context_length: 16 });
});

test('rows longer than context_length are cut, or refused where long_rows says so', async () => {
  const { tunery } = await job('shaped');
  expect(tunery.plan.cut).toHaveLength(16); // all rows of both files
  expect((await job('plain')).tunery.plan.cut).toEqual([]);
  expect((await job('refused')).error).toMatchObject({
    code: 'rows_too_long',
    param: 'training_file',
  });
});

test('checkpoints are listed newest first, page by page', async () => {
  const { id } = await job('plain');
  const path = `/fine_tuning/jobs/${id}/checkpoints`;
  const whole = await send(path);
  expect(whole.data.map((checkpoint: Answer) => checkpoint.step_number)).toEqual([4, 2]);
  const first = await send(`${path}?limit=1`);
  expect([first.data, first.has_more]).toEqual([whole.data.slice(0, 1), true]);
  const next = await send(`${path}?limit=1&after=${first.last_id}`);
  expect([next.data, next.has_more]).toEqual([whole.data.slice(1), false]);
});

async function fineTune(name: string): Promise<Answer> {
  const found = await ended(`/fine-tunes/${fineTunes.get(name)}`);
  expect(found.status, `${name}: ${JSON.stringify(found.tunery.error)}`).toBe('succeeded');
  return found;
}
const results = async (name: string) => csv(await fineTune(name));

test('a legacy fine-tune obeys its epochs, batches and rate, flat or nested', async () => {
  const flat = await results('flat');
  expect(column(flat, 'elapsed_examples')).toEqual(['3', '6', '9', '12']);
  expect(await results('nested')).toBe(flat);
  const last = async (name: keyof typeof LEGACY) =>
    Number(column(await results(name), 'training_loss').at(-1));
  expect(await last('slower')).toBeGreaterThan(await last('flat'));
});

test('prompt_loss_weight changes the loss', async () => {
  const loss = async (name: keyof typeof LEGACY) => column(await results(name), 'training_loss')[0];
  expect(await loss('weighted')).not.toBe(await loss('flat'));
});

test('classification metrics are columns of their own, by the number of classes or the positive one', async () => {
  const columns = async (name: keyof typeof LEGACY) =>
    (await results(name))
      .split('\n')[0]!
      .split(',')
      .filter((name) => name.includes('/'));
  expect(await columns('flat')).toEqual([]);
  expect(await columns('classes')).toEqual([
    'classification/accuracy',
    'classification/weighted_f1_score',
  ]);
  expect(await columns('binary')).toEqual([
    ...['accuracy', 'precision', 'recall', 'auroc', 'auprc', 'f1.0', 'f2.0'].map(
      (name) => `classification/${name}`,
    ),
  ]);
});

test('the options of tunery shape a legacy fine-tune as they shape a job', async () => {
  const { fine_tuned_model } = await fineTune('shaped');
  expect(await adapterOf(fine_tuned_model)).toMatchObject({
    r: 2,
    lora_alpha: 7,
    target_modules: ['q_proj', 'up_proj'],
    use_rslora: true,
  });
});

test('every option of tunery that changes a job changes a legacy fine-tune', async () => {
  const plain = column(await results('as it is'), 'training_loss');
  for (const name of Object.keys(LEGACY_OPTIONS))
    expect(column(await results(name), 'training_loss'), name).not.toEqual(plain);
});

test('long_rows and moderation refuse the rows of a legacy fine-tune too', async () => {
  const code = async (name: string) =>
    (await ended(`/fine-tunes/${fineTunes.get(name)}`)).tunery.error.code;
  expect(await code('long_rows')).toBe('rows_too_long');
  expect(await code('moderation')).toBe('moderation_flagged');
});

test('general_file is mixed into the rows of a job and of a legacy fine-tune at general_ratio', async () => {
  const training_file = await upload(pairs(10));
  const tunery = { ...PLAIN, general_file: await upload(labelled(30)), general_ratio: '1:2' };
  const job = { model: MODEL, training_file, tunery, hyperparameters: { n_epochs: 1 } };
  const { id } = await send('/fine_tuning/jobs', job);
  const older = await send('/fine-tunes', { model: 'ada', training_file, tunery, n_epochs: 1 });
  expect((await ended(`/fine_tuning/jobs/${id}`)).tunery.plan.train_rows).toBe(30);
  const text = await csv(await ended(`/fine-tunes/${older.id}`));
  expect(column(text, 'elapsed_examples').at(-1)).toBe('30');
});
