// What graders say about texts, with a model that is given its answers.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CodedError } from '../lib/coded-error.ts';
import { faults, formulaFault } from './check.ts';
import { FormulaError, parseFormula } from './formula.ts';
import { Grader } from './grader.ts';
import type { AskModel, ModelRequest } from './model-grader.ts';
import { runGrader } from './run.ts';

const nobody: AskModel = () => Promise.reject(new Error('no model expected'));
const saying =
  (text: string, seen: ModelRequest[] = []): AskModel =>
  async (request) => {
    seen.push(request);
    return { text, finishReason: 'stop', promptTokens: 5, completionTokens: 2 };
  };

async function grade(grader: object, sample: string, item = {}, ask = nobody) {
  const { reward, problems, ...rest } = await runGrader(
    Grader.parse(grader),
    { item, sample },
    ask,
  );
  return { reward, flags: problems.map(({ flag }) => flag), ...rest };
}

const check = (operation: string, input: string, reference = '{{item.label}}') => ({
  type: 'string_check',
  name: 'check',
  input,
  reference,
  operation,
});

test.each([
  ['eq', 'Paris', 'Paris', 1],
  ['eq', 'paris', 'Paris', 0],
  ['ne', 'paris', 'Paris', 1],
  ['ne', 'Paris', 'Paris', 0],
  ['like', 'It is Paris.', 'Paris', 1],
  ['like', 'It is paris.', 'Paris', 0],
  ['ilike', 'It is PARIS.', 'paris', 1],
  ['ilike', 'Paris', 'It is Paris', 0],
])('string_check %s of %j and %j', async (operation, sample, label, reward) => {
  expect(await grade(check(operation, '{{sample.output_text}}'), sample, { label })).toMatchObject({
    reward,
    flags: [],
  });
});

test.each([
  ['{{item.a}} and {{ item.b.c[1].d }}', '1 and true'],
  ['{{item.list}}', '[1,"x"]'],
  ['{{item.nothing}}', 'null'],
  ['{{sample.output_json.answer.value}}', '7'],
  ['{{sample.output_json}}', '{"answer":{"value":7}}'],
  ['no places {x} }} {{', 'no places {x} }} {{'],
  ['{{item.dollar}}', '$& $1'],
])('the template %j becomes %j', async (template, text) => {
  const item = { a: 1, b: { c: [0, { d: true }] }, list: [1, 'x'], nothing: null, dollar: '$& $1' };
  const sample = '{"answer":{"value":7}}';
  expect(await grade(check('eq', template, text), sample, item)).toMatchObject({ reward: 1 });
});

test.each([
  ['{{item.missing}}', 'invalid_variable_error'],
  ['{{item.a.b}}', 'invalid_variable_error'],
  ['{{item.toString}}', 'invalid_variable_error'],
  ['{{sample.output_json.x}}', 'sample_parse_error'],
])('the place %s that cannot be filled is %s', async (template, flag) => {
  const result = await grade(check('ne', template, 'x'), 'no JSON', { a: 'text' });
  expect(result).toMatchObject({ reward: 0, flags: [flag] });
});

test.each(['{{label}}', '{{items.a}}', '{{sample.text}}', '{{item}}', '{{}}'])(
  'the place %s is wrong whatever the item',
  (template) => {
    expect([...faults(Grader.parse(check('eq', template)))]).toMatchObject([{ path: ['input'] }]);
  },
);

test.each([
  ['1 + 2 * 3', 7],
  ['(1 + 2) * 3', 9],
  ['2 ^ 3 ^ 2', 512],
  ['2 ** 3', 8],
  ['-2 ^ 2', -4],
  ['2 ^ -1', 0.5],
  ['8 / 4 / 2', 1],
  ['8 - 4 - 2', 2],
  ['1e3 + .5 + 2.', 1002.5],
  ['min(3, a, 2) + max(a)', 1],
  ['abs(-a) + floor(1.9) + ceil(1.1)', 3.5],
  ['exp(0) + sqrt(9) + log(1)', 4],
  ['a * b_score', 0.125],
])('the formula %s is %d', (text, value) => {
  const values = new Map([
    ['a', 0.5],
    ['b_score', 0.25],
  ]);
  expect(parseFormula(text).evaluate(values)).toBeCloseTo(value, 12);
});

test.each([
  '',
  '1 +',
  '(1',
  '1)',
  '1 2',
  'a b',
  'a.b',
  'sin(1)',
  'constructor(1)',
  'sqrt(1, 2)',
  'min()',
  'a; b',
  '"x"',
  '((('.repeat(2000),
])('the formula %j is refused in words', (text) => {
  expect(() => parseFormula(text)).toThrow(FormulaError);
});

test('any text is a formula or refused in words, and any template has a fault or is filled', async () => {
  const pieces = fc.constantFrom('1', 'a', '+', '-', '*', '/', '^', '(', ')', ',', 'min', ' ', '.');
  const formula = fc.array(pieces, { maxLength: 30 }).map((all) => all.join(''));
  const property = fc.property(fc.oneof(formula, fc.string()), (text) => {
    try {
      expect(parseFormula(text).evaluate(new Map([['a', 2]]))).toBeTypeOf('number');
    } catch (error) {
      expect(error).toBeInstanceOf(FormulaError);
    }
  });
  fc.assert(property, { seed: 4, numRuns: 1000 });
  for (const chain of ['-', '2^', '1+', '(', 'abs(']) {
    const text = `${chain.repeat(3000 / chain.length)}1`;
    expect(() => parseFormula(text)).toThrow(FormulaError);
    const shorter = `${chain.repeat(1800 / chain.length)}1`;
    if (!chain.includes('('))
      expect(parseFormula(shorter).evaluate(new Map())).toBeTypeOf('number');
  }
  const braces = '{{'.repeat(500_000); // 13 MB of them fit into a request
  expect(await grade(check('eq', braces, braces), '')).toMatchObject({ reward: 1 });
});

const multi = (calculate_output: string, graders: unknown = undefined) => ({
  type: 'multi',
  name: 'both',
  graders: graders ?? {
    exact: check('eq', '{{sample.output_text}}'),
    fuzzy: {
      type: 'text_similarity',
      name: 'f',
      input: '{{sample.output_text}}',
      reference: '{{item.label}}',
      evaluation_metric: 'fuzzy_match',
    },
  },
  calculate_output,
});

test('a multi grader combines its parts by its formula', async () => {
  const result = await grade(multi('0.5 * exact + 0.5 * fuzzy'), 'abcd', { label: 'abce' });
  expect(result).toMatchObject({ reward: 0.375, flags: [], subRewards: { exact: 0, fuzzy: 0.75 } });
});

test('parts in a list go by their names, and by their type where it is the only one', async () => {
  const { exact, fuzzy } = multi('').graders as Record<string, object>;
  const list = [{ ...exact, name: 'same' }, fuzzy];
  const formula = 'max(same, string_check_score) + text_similarity_score + f';
  expect(await grade(multi(formula, list), 'x', { label: 'x' })).toMatchObject({ reward: 3 });
  expect(await grade(multi('same', list[0]), 'x', { label: 'x' })).toMatchObject({ reward: 1 });
  const twice = Grader.parse(multi('check', [exact, exact]));
  expect([...faults(twice)]).toMatchObject([{ path: ['graders', 1, 'name'] }]);
});

test.each([
  ['exact +', 'formula_parse_error'],
  ['exact + other', 'invalid_variable_error'],
  ['exact / 0', 'other_error'],
])('the formula %s gives no reward but %s', async (formula, flag) => {
  const grader = multi(formula);
  expect(await grade(grader, 'x', { label: 'x' })).toMatchObject({ reward: 0, flags: [flag] });
  const fault = formulaFault(Grader.parse(grader) as never);
  expect(fault === null).toBe(flag === 'other_error');
});

const score = (extra: object = {}) => ({
  type: 'score_model',
  name: 'judge',
  model: 'judge-1',
  input: [{ role: 'user', content: [{ type: 'input_text', text: 'Rate {{sample.output_text}}' }] }],
  ...extra,
});

test.each([
  ['0.7', undefined, 0.7],
  ['Score: 0.25 because …', undefined, 0.25],
  ['{"steps": [{"conclusion": "3 of 4"}], "result": 0.75}', undefined, 0.75],
  ['```json\n{"score": "0.5"}\n```', undefined, 0.5],
  ['9', undefined, 1],
  ['-3', undefined, 0],
  ['9', [1, 10], 9],
  ['0', [1, 10], 1],
  ['{x} 0.5', undefined, 0.5],
])('score_model reads %j in the range %j as %d', async (answer, range, reward) => {
  const result = await grade(score(range && { range }), 'this', {}, saying(answer));
  expect(result).toMatchObject({
    reward,
    flags: [],
    uses: [{ model: 'judge-1', promptTokens: 5, completionTokens: 2 }],
  });
});

test('score_model asks with the filled messages and its sampling parameters', async () => {
  const seen: ModelRequest[] = [];
  const sampling_params = { temperature: 0.4, top_p: 0.9, seed: 3, max_completions_tokens: 8 };
  const input = [
    { role: 'developer', content: 'Be strict.' },
    { type: 'message', role: 'user', content: { type: 'input_text', text: '{{item.q}}' } },
  ];
  await grade(score({ sampling_params, input }), 'x', { q: 'Why?' }, saying('1', seen));
  expect(seen).toEqual([
    {
      model: 'judge-1',
      messages: [
        { role: 'developer', content: 'Be strict.' },
        { role: 'user', content: 'Why?' },
      ],
      temperature: 0.4,
      topP: 0.9,
      seed: 3,
      maxTokens: 8,
      schema: null,
    },
  ]);
});

test('an answer without a number and a model that fails are told apart', async () => {
  expect(await grade(score(), 'x', {}, saying('very good'))).toMatchObject({
    reward: 0,
    flags: ['model_grader_parse_error'],
    uses: [{ model: 'judge-1' }],
  });
  const failing: AskModel = () => Promise.reject(new CodedError('overloaded', 'Too busy.'));
  expect(await grade(score(), 'x', {}, failing)).toMatchObject({
    reward: 0,
    flags: ['model_grader_server_error'],
    uses: [],
  });
});

const mood = (input: object[]) => ({
  type: 'label_model',
  name: 'mood',
  model: 'judge-1',
  input,
  labels: ['very positive', 'positive', 'negative'],
  passing_labels: ['positive', 'very positive'],
});

test('label_model tells the model its labels in the last message of the user', async () => {
  const seen: ModelRequest[] = [];
  const user = { role: 'user', content: 'Mood of {{item.text}}?' };
  const system = { role: 'system', content: 'Say the mood.' };
  await grade(mood([system, user]), 'x', { text: 'rain' }, saying('negative', seen));
  await grade(mood([system]), 'x', {}, saying('negative', seen));
  const labels =
    'Answer with one of these labels and nothing else: very positive, positive, negative';
  expect(seen.map(({ messages }) => messages)).toEqual([
    [system, { role: 'user', content: `Mood of rain?\n\n${labels}` }],
    [system, { role: 'user', content: labels }],
  ]);
});

test('label_model asks again, held to the labels, when the first answer names none', async () => {
  const seen: ModelRequest[] = [];
  const ask: AskModel = (request) =>
    saying(request.schema ? '"negative"' : 'Well …', seen)(request);
  const grader = { ...mood([{ role: 'user', content: 'Mood?' }]), passing_labels: ['negative'] };
  const result = await grade(grader, 'x', {}, ask);
  expect(result).toMatchObject({ reward: 1, flags: [], uses: [{}, {}] });
  const schema = { type: 'string', enum: ['very positive', 'positive', 'negative'] };
  expect(seen.map((request) => request.schema)).toEqual([null, schema]);
});

test.each([
  ['positive', 1, []],
  [' "Positive".', 1, []],
  ['{"result": "negative"}', 0, []],
  ['I would say: very positive!', 1, []],
  ['positive or negative', 0, ['model_grader_parse_error']],
  ['no idea', 0, ['model_grader_parse_error']],
])('label_model reads %j', async (answer, reward, flags) => {
  const grader = mood([{ role: 'user', content: 'Mood of {{item.text}}?' }]);
  const result = await grade(grader, 'x', { text: 'rain' }, saying(answer));
  expect(result).toMatchObject({ reward, flags });
});
