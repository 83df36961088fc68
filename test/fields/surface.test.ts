// Fields of lists and graders, on a server whose model counts: `seen` is what reaches the sampler.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SampleRequest } from '../../src/serve/protocol.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { countingApp } from '../../src/testing/counting-app.ts';

let folder: string;
let store: Store;
let app: ReturnType<typeof countingApp>;
const seen: Omit<SampleRequest, 'id'>[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunery-surface-'));
  store = await openStore(join(folder, 'data'));
  app = countingApp({ store, seen });
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: JSON, looked at by the tests
type Answer = any;
const answer = async (path: string, init?: RequestInit): Promise<Answer> =>
  (await app.request(path, init)).json();

test('files are listed in either order', async () => {
  for (const name of ['a', 'b', 'c']) {
    const form = new FormData();
    form.set('purpose', 'user_data');
    form.set('file', new File([name], name));
    await answer('/v1/files', { method: 'POST', body: form });
  }
  const names = async (order: string) =>
    (await answer(`/v1/files${order}`)).data.map((file: Answer) => file.filename);
  expect(await names('')).toEqual(['c', 'b', 'a']);
  expect(await names('?order=desc')).toEqual(['c', 'b', 'a']);
  expect(await names('?order=asc')).toEqual(['a', 'b', 'c']);
});

const grade = (grader: object, more: object = {}): Promise<Answer> =>
  answer('/v1/fine_tuning/alpha/graders/run', {
    method: 'POST',
    body: JSON.stringify({ grader, model_sample: 'red', item: { want: 'Red' }, ...more }),
  });
const reward = async (grader: object, more?: object) => (await grade(grader, more)).reward;
const check = {
  type: 'string_check',
  name: 'colour',
  input: '{{sample.output_text}}',
  reference: '{{item.want}}',
  operation: 'ilike',
};
const similar = {
  type: 'text_similarity',
  name: 'alike',
  input: '{{sample.output_text}}',
  reference: 'red',
  evaluation_metric: 'fuzzy_match',
};

test('every field of a text grader counts, and so do sample and item', async () => {
  expect(await reward(check)).toBe(1);
  expect(await reward({ ...check, operation: 'eq' })).toBe(0);
  expect(await reward({ ...check, input: 'blue' })).toBe(0);
  expect(await reward({ ...check, reference: 'blue' })).toBe(0);
  expect(await reward(check, { model_sample: 'blue' })).toBe(0);
  expect(await reward(check, { item: { want: 'blue' } })).toBe(0);
  expect((await grade(check)).metadata).toMatchObject({ name: 'colour', type: 'string_check' });
  expect(await reward(similar)).toBe(1);
  expect(await reward({ ...similar, input: 'rod' })).toBeLessThan(1);
  expect(await reward({ ...similar, reference: 'rod' })).toBeLessThan(1);
  const blend = { ...similar, reference: 'red and blue' };
  expect(await reward(blend)).not.toBe(await reward({ ...blend, evaluation_metric: 'rouge_1' }));
});

const judge = {
  type: 'score_model',
  name: 'judge',
  model: 'counter',
  input: [
    { role: 'system', content: 'Be fair.' },
    { role: 'user', content: [{ type: 'input_text', text: 'Rate ' }, '{{sample.output_text}}'] },
  ],
  range: [0, 5],
};
/** What the sampler was asked by this grader. */
async function asked(grader: object): Promise<Answer> {
  seen.length = 0;
  await grade(grader);
  return seen[0];
}

test('a model grader asks what it was given, with the sampling that it was given', async () => {
  const { prompt, ...plain } = await asked(judge);
  expect(prompt.messages).toEqual([
    { role: 'system', content: 'Be fair.' },
    { role: 'user', content: 'Rate \nred' },
  ]);
  expect(plain).toMatchObject({ temperature: 0, maxTokens: 512 });
  const one = { role: 'user', content: { type: 'input_text', text: 'Rate it' } };
  expect((await asked({ ...judge, input: [{ type: 'message', ...one }] })).prompt.messages).toEqual(
    [{ role: 'user', content: 'Rate it' }],
  );
  const sampling_params = { seed: 7, temperature: 0.5, top_p: 0.25, max_completions_tokens: 9 };
  expect(await asked({ ...judge, sampling_params })).toMatchObject({
    seed: 7,
    temperature: 0.5,
    topP: 0.25,
    maxTokens: 9,
  });
  const effort = { sampling_params: { reasoning_effort: 'high' } };
  expect(await asked({ ...judge, ...effort })).toEqual(await asked(judge));
  expect((await grade({ ...judge, model: 'none' })).error.message).toContain('none');
});

test('range bounds the grade of a model, and labels decide which answers pass', async () => {
  // The counting model begins with 1.
  expect(await reward(judge)).toBe(1);
  expect(await reward({ ...judge, range: [2, 5] })).toBe(2);
  const { range: _, ...rest } = judge;
  const sampling_params = { max_completions_tokens: 1 };
  const own = { labels: ['1', '2'], passing_labels: ['1'], sampling_params };
  const labels = { ...rest, type: 'label_model', ...own };
  expect(await reward(labels)).toBe(1);
  expect(await reward({ ...labels, passing_labels: ['2'] })).toBe(0);
  const told = JSON.stringify((await asked(labels)).prompt.messages);
  const other = JSON.stringify((await asked({ ...labels, labels: ['1', 'x'] })).prompt.messages);
  expect(other).not.toBe(told);
});

test('the parts of a multi grader are graders, put together by calculate_output', async () => {
  const multi = {
    type: 'multi',
    name: 'all',
    graders: { check, similar, judge },
    calculate_output: 'check + similar + judge',
  };
  expect(await grade(multi)).toMatchObject({
    reward: 3,
    sub_rewards: { check: 1, similar: 1, judge: 1 },
  });
  expect(await reward({ ...multi, calculate_output: 'max(check, 2)' })).toBe(2);
  const listed = { ...multi, graders: [{ ...check, name: 'own' }], calculate_output: '5 * own' };
  expect(await reward(listed)).toBe(5);
  const { range: _, ...rest } = judge;
  const label = { ...rest, type: 'label_model', labels: ['1', '2'], passing_labels: ['1'] };
  const sampling_params = { seed: 7, temperature: 0.5, top_p: 0.25, max_completions_tokens: 9 };
  expect(
    await asked({
      ...multi,
      graders: { label: { ...label, sampling_params } },
      calculate_output: 'label',
    }),
  ).toMatchObject({ seed: 7, temperature: 0.5, topP: 0.25, maxTokens: 9 });
});

test('a python grader is refused, alone and as a part, whatever it says', async () => {
  const python = { type: 'python', name: 'p', source: 'def grade(s, i): return 1', image_tag: 'x' };
  const multi = { type: 'multi', name: 'm', graders: { python }, calculate_output: 'python' };
  for (const grader of [python, multi])
    expect((await grade(grader)).error).toMatchObject({
      param: expect.stringMatching(/^grader/),
      message: expect.stringContaining('sandbox'),
    });
});
