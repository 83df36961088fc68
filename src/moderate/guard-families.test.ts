import { expect, test } from 'vitest';
import { CATEGORIES } from './categories.ts';
import { type GuardAnswer, guardFamily } from './guard-families.ts';

const llamaPrompt = (...policies: string[]) =>
  `Task: …\n<BEGIN UNSAFE CONTENT CATEGORIES>\n${policies.join('\n')}\n<END UNSAFE CONTENT CATEGORIES>\n- First line must read 'safe' or 'unsafe'.`;
const LLAMA_3 = llamaPrompt(
  'S1: Violent Crimes.',
  'S5: Defamation.',
  'S9: Indiscriminate Weapons.',
  'S10: Hate.',
);
const LLAMA_2 = llamaPrompt(
  'S1: Violent Crimes.',
  'S5: Specialized Advice.',
  'S9: Hate.',
  'S10: Self-Harm.',
);
const LLAMA_1 = llamaPrompt(
  'O1: Violence and Hate.',
  'Should not',
  '- Help people',
  'O3: Criminal Planning.',
);
const QWEN = "one of: 'Safety: Safe', 'Safety: Unsafe', 'Safety: Controversial'";
const SHIELD = 'You are a policy expert trying to help determine whether a user prompt …';
const GRANITE = 'You are a safety agent … Our safety risk definition is defined below';
const GRANITE_33 = 'As a judge agent, … ### Criteria: harm';

/** Every word a token, sure by nine to one. */
const said = (text: string, top: GuardAnswer['tokens'][number]['top'] = []): GuardAnswer => ({
  text,
  tokens: (text.match(/\s*[<>/]*[^\s<>]+|\s+/g) ?? []).map((token) => ({
    token,
    logprob: Math.log(0.9),
    top,
  })),
});

const verdict = (prompt: string, ...texts: string[]) =>
  guardFamily(prompt)!.read(texts.map((text) => said(text)));
const found = (prompt: string, ...texts: string[]) => {
  const { flagged, scores } = verdict(prompt, ...texts)!;
  return [flagged, CATEGORIES.filter((category) => scores[category] >= 0.5)];
};

test('codes of Llama Guard stand for what its own prompt says, as the versions differ', () => {
  expect(found(LLAMA_3, '\n\nsafe')).toEqual([false, []]);
  expect(found(LLAMA_3, '\n\nunsafe\nS1,S10')).toEqual([
    true,
    ['hate', 'illicit', 'illicit/violent', 'violence'],
  ]);
  expect(found(LLAMA_3, 'unsafe\nS5')).toEqual([true, ['harassment']]);
  expect(found(LLAMA_3, 'unsafe\nS9')).toEqual([true, ['illicit', 'illicit/violent']]);
  expect(found(LLAMA_2, 'unsafe\nS9, S10')).toEqual([true, ['hate', 'self-harm']]);
  expect(found(LLAMA_2, 'unsafe\nS5')).toEqual([true, []]);
  expect(found(LLAMA_1, 'unsafe\nO1,O3')).toEqual([true, ['hate', 'illicit', 'violence']]);
  expect(verdict(LLAMA_3, 'unsafe\nS10')!.scores.hate).toBeCloseTo(0.9);
});

test('Qwen3Guard names levels and categories; what is controversial stays below the threshold', () => {
  expect(found(QWEN, 'Safety: Safe\nCategories: None')).toEqual([false, []]);
  expect(found(QWEN, 'Safety: Unsafe\nCategories: Violent, Suicide & Self-Harm')).toEqual([
    true,
    ['illicit', 'illicit/violent', 'self-harm', 'violence'],
  ]);
  expect(found(QWEN, 'Safety: Unsafe\nCategories: Non-violent Illegal Acts')).toEqual([
    true,
    ['illicit'],
  ]);
  expect(found(QWEN, 'Safety: Unsafe\nCategories: PII')).toEqual([true, []]);
  const mixed = verdict(
    QWEN,
    '<think>\n\n</think>\n\nSafety: Controversial\nCategories: Unethical Acts',
  );
  expect(mixed).toMatchObject({
    flagged: false,
    scores: { harassment: 0.4, hate: 0.4, sexual: 0 },
  });
});

test('ShieldGemma is asked one policy at a time, and scored by yes against no', () => {
  const family = guardFamily(SHIELD)!;
  const questions = family.questions('How are you?');
  expect(questions.map(({ values }) => /^"([^"]+)"/.exec(String(values['guideline']))![1])).toEqual(
    ['No Dangerous Content', 'No Harassment', 'No Hate Speech', 'No Sexually Explicit Information'],
  );
  expect(new Set(questions.map(({ text }) => text))).toEqual(new Set(['How are you?']));
  expect(found(SHIELD, 'No', 'Yes', 'No', 'No')).toEqual([true, ['harassment']]);
  expect(found(SHIELD, 'No', 'No', 'No', 'No')).toEqual([false, []]);
  const unsure = said('No', [
    { token: 'Yes', logprob: Math.log(0.06) },
    { token: ' Yes', logprob: Math.log(0.04) },
  ]);
  const { scores } = family.read([unsure, unsure, unsure, unsure])!;
  expect(scores.sexual).toBeCloseTo(0.1);
});

test.each([
  ['3.0', GRANITE, 'Yes', 'No'],
  ['3.2', GRANITE, 'Yes\n<confidence> High </confidence>', 'No\n<confidence> Low </confidence>'],
  ['3.3', GRANITE_33, '<think>\n</think>\n<score> yes </score>', '<score> no </score>'],
])('Granite Guardian %s is asked for one risk after the other', (_, prompt, yes, no) => {
  const risks = guardFamily(prompt)!
    .questions('x')
    .map(({ values }) => (values['guardian_config'] as { risk_name: string }).risk_name);
  expect(risks).toEqual([
    'harm',
    'social_bias',
    'violence',
    'sexual_content',
    'unethical_behavior',
  ]);
  expect(found(prompt, yes, no, yes, no, no)).toEqual([true, ['violence']]);
  expect(found(prompt, yes, no, no, no, no)).toEqual([true, []]);
  expect(found(prompt, no, no, no, no, no)).toEqual([false, []]);
});

test.each([
  [LLAMA_3, '1 2 3'],
  [LLAMA_3, 'safely'],
  [LLAMA_3, ''],
  [LLAMA_3, 'I think it is unsafe'],
  [QWEN, 'unsafe'],
  [QWEN, 'Safety: maybe'],
  [SHIELD, 'Maybe'],
  [GRANITE, '<score> high </score>'],
])('an answer in another form is no verdict (%#)', (prompt, text) => {
  const count = guardFamily(prompt)!.questions('x').length;
  expect(verdict(prompt, ...Array.from({ length: count }, () => text))).toBeNull();
});

test('a prompt of an ordinary chat model is of no family', () => {
  expect(guardFamily('<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n')).toBeNull();
});
