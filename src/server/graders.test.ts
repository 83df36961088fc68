// The grader endpoints through the official client; the judge is the counting model, which says 1 2 3 ….
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore, type Store } from '../store/store.ts';
import { countingApp } from '../testing/counting-app.ts';

let folder: string;
let store: Store;
let client: OpenAI;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tunery-graders-'));
  store = await openStore(join(folder, 'data'));
  const app = countingApp({ store });
  client = new OpenAI({
    apiKey: 'none',
    baseURL: 'http://localhost/v1',
    maxRetries: 0,
    fetch: async (url, init) => app.request(String(url), init),
  });
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

type RunParams = OpenAI.FineTuning.Alpha.GraderRunParams;
const graders = () => client.fineTuning.alpha.graders;
const check: RunParams['grader'] = {
  type: 'string_check',
  name: 'Example string check grader',
  input: '{{sample.output_text}}',
  reference: '{{item.label}}',
  operation: 'eq',
};
const judge: RunParams['grader'] = {
  type: 'score_model',
  name: 'judge',
  model: 'counter',
  input: [{ role: 'user', content: { type: 'input_text', text: 'Rate {{sample.output_text}}' } }],
  range: [0, 5],
};
const NO_ERRORS = {
  formula_parse_error: false,
  sample_parse_error: false,
  truncated_observation_error: false,
  unresponsive_reward_error: false,
  invalid_variable_error: false,
  other_error: false,
  python_grader_server_error: false,
  python_grader_server_error_type: null,
  python_grader_runtime_error: false,
  python_grader_runtime_error_details: null,
  model_grader_server_error: false,
  model_grader_refusal_error: false,
  model_grader_parse_error: false,
  model_grader_server_error_details: null,
};

test('a sound grader is validated and comes back as it was', async () => {
  expect(await graders().validate({ grader: check })).toEqual({ grader: check });
});

test('a grade has all keys, with a reward and no error', async () => {
  const item = { label: 'fuzzy wuzzy' };
  expect(await graders().run({ grader: check, model_sample: 'fuzzy wuzzy', item })).toEqual({
    reward: 1,
    metadata: {
      name: 'Example string check grader',
      type: 'string_check',
      errors: NO_ERRORS,
      execution_time: expect.any(Number),
      scores: {},
      token_usage: null,
      sampled_model_name: null,
    },
    sub_rewards: {},
    model_grader_token_usage_per_model: {},
  });
});

test('a model grader reports the model and its tokens', async () => {
  const run = await graders().run({ grader: judge, model_sample: 'this' });
  expect(run).toMatchObject({
    reward: 1,
    metadata: {
      type: 'score_model',
      sampled_model_name: 'counter',
      token_usage: expect.any(Number),
    },
  });
  const { prompt_tokens, completion_tokens, total_tokens } = run.model_grader_token_usage_per_model[
    'counter'
  ] as Record<string, number>;
  expect([prompt_tokens, total_tokens]).toEqual([7, 7 + completion_tokens!]);
  expect(run.metadata.token_usage).toBe(total_tokens);
});

test('a model that cannot take the prompt is an error of the grade', async () => {
  const sampling_params = { max_completions_tokens: 1000 };
  const run = await graders().run({ grader: { ...judge, sampling_params }, model_sample: 'x' });
  expect(run).toMatchObject({
    reward: 0,
    metadata: {
      errors: {
        ...NO_ERRORS,
        model_grader_server_error: true,
        model_grader_server_error_details: expect.stringContaining('context length'),
      },
    },
  });
});

test('a multi grader has the rewards of its parts', async () => {
  const grader = {
    type: 'multi',
    name: 'all',
    graders: { label: check, judge },
    calculate_output: 'min(1, label + judge / 5)',
  } as unknown as RunParams['grader']; // the client's type has one grader where the guide has a map
  const run = await graders().run({ grader, model_sample: 'a', item: { label: 'b' } });
  expect(run).toMatchObject({ reward: 0.2, sub_rewards: { label: 0, judge: 1 } });
});

const part = (grader: object) => ({
  type: 'multi',
  name: 'm',
  graders: { a: grader },
  calculate_output: 'a',
});
test.each([
  [{ ...check, operation: 'neq' }, 'grader.operation'],
  [{ ...check, type: 'exact' }, 'grader.type'],
  [{ ...check, input: undefined }, 'grader.input'],
  [{ ...check, inputs: 'x' }, 'grader.inputs'],
  [{ ...check, reference: '{{label}}' }, 'grader.reference'],
  [part({ ...check, reference: '{{label}}' }), 'grader.graders.a.reference'],
  [{ ...part(check), calculate_output: 'a +' }, 'grader.calculate_output'],
  [{ ...part(check), calculate_output: 'b' }, 'grader.calculate_output'],
  [{ ...judge, range: [1, 0] }, 'grader.range'],
  [{ ...judge, sampling_params: { top_k: 5 } }, 'grader.sampling_params.top_k'],
  [{ type: 'python', name: 'p', source: 'def grade(s, i): return 1' }, 'grader'],
  [part({ type: 'python', name: 'p', source: '' }), 'grader.graders.a'],
  [{ ...check, reference: 'a {{item.label' }, 'grader.reference'],
  [{ ...part(check), graders: {}, calculate_output: '1' }, 'grader.graders'],
  [
    { ...judge, type: 'label_model', range: undefined, labels: ['a'], passing_labels: ['b'] },
    'grader.passing_labels',
  ],
])('%j is refused and the place named', async (grader, param) => {
  const refused = graders().validate({ grader: grader as RunParams['grader'] });
  await expect(refused).rejects.toMatchObject({ status: 400, param });
});

test('a type that does not exist is refused with those that do', async () => {
  const grader = { ...check, type: 'exact' } as unknown as RunParams['grader'];
  await expect(graders().validate({ grader })).rejects.toThrow(
    /expected 'string_check' or 'text_similarity' or .*'multi'; got "exact"/,
  );
});

test('pictures, a model that does not exist and a missing sample are refused', async () => {
  const picture = [{ role: 'user', content: { type: 'input_image', image_url: 'x' } }];
  const grader = { ...judge, input: picture } as RunParams['grader'];
  await expect(graders().validate({ grader })).rejects.toMatchObject({
    status: 400,
    param: expect.stringContaining('grader.input[0].content'),
  });
  const nobody = graders().validate({ grader: { ...judge, model: 'nobody' } });
  await expect(nobody).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  const silent = graders().run({ grader: check } as RunParams);
  await expect(silent).rejects.toMatchObject({ status: 400, param: 'model_sample' });
});
