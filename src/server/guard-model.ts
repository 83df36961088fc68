// Asks the guard model that the operator names. Which family it is of, its own chat template tells, which
// holds the policy: the template prints a prompt, and the prompt is recognised.
import { CodedError } from '../lib/coded-error.ts';
import {
  FAMILIES,
  type GuardFamily,
  type GuardQuestion,
  guardFamily,
  PROBE,
  type Verdict,
} from '../moderate/guard-families.ts';
import type { Deps } from './deps.ts';
import { type Choice, type ChoiceRequest, gather, generate } from './generate.ts';

/** The judge of one request, whose texts share the look at the model. */
export function guardJudge(name: string, deps: Deps, signal: AbortSignal) {
  let family: Promise<GuardFamily> | null = null;
  const ask = async (questions: readonly GuardQuestion[], maxTokens: number) => {
    const model = await modelOf(name, deps);
    const requests = questions.map((question) => requestOf(question, maxTokens));
    return await gather(generate(model, requests, signal, deps), requests.length);
  };
  return async (text: string): Promise<Verdict> => {
    family ??= ask([PROBE], 0).then(([probe]) => familyOf(name, probe!.echo.text), unfit(name));
    const { questions, answerTokens, read, expected } = await family;
    const answers = await ask(questions(text), answerTokens).catch(inputTooLong);
    const verdict = read(answers.map(({ text, logprobs }) => ({ text, tokens: logprobs })));
    if (verdict === null) throw unreadable(name, expected, answers);
    return verdict;
  };
}

async function modelOf(name: string, { jobs }: Deps) {
  const model = await jobs.resolve(name);
  if (model !== null) return model;
  throw new CodedError(
    'moderation_model_missing',
    `The guard model '${name}' of TUNERY_MODERATION_MODEL does not exist here. Put it into the models folder, or leave the variable out.`,
    { status: 500 },
  );
}

const ALTERNATIVES = 10; // "Yes", " yes", "YES": all of them count

/** Without tokens to answer in, the prompt is printed and nothing is computed. */
const requestOf = ({ text, values }: GuardQuestion, maxTokens: number): ChoiceRequest => ({
  prompt: { kind: 'chat', messages: [{ role: 'user', content: text }], values },
  maxTokens,
  temperature: 0,
  topP: 1,
  seed: 0,
  stop: [],
  logprobs: maxTokens === 0 ? null : ALTERNATIVES,
  ...(maxTokens === 0 && { echo: true }),
});

function familyOf(name: string, prompt: string): GuardFamily {
  const family = guardFamily(prompt);
  if (family === null) throw unknownFamily(name, `its chat template prints ${shown(prompt)}`);
  return family;
}

/** A template that cannot print the probe is of no known family either. */
const unfit = (name: string) => (error: unknown) => {
  if (error instanceof CodedError && error.param === 'messages')
    throw unknownFamily(name, error.message);
  throw error;
};

const unknownFamily = (name: string, why: string) =>
  new CodedError(
    'moderation_model_unknown',
    `The model '${name}' of TUNERY_MODERATION_MODEL is no guard model that is known here: ${why}. Known are ${FAMILIES}. Name one of these, or leave the variable out.`,
    { status: 500 },
  );

/** The template's text and the answer's room count too, but only the input can be shortened. */
function inputTooLong(error: unknown): never {
  if (error instanceof CodedError && error.code === 'context_length_exceeded')
    throw new CodedError(
      error.code,
      `The input is too long for the guard model. ${error.message}`,
      {
        param: 'input',
      },
    );
  throw error;
}

function unreadable(name: string, expected: string, answers: readonly Choice[]): CodedError {
  const said = answers.map(({ text }) => shown(text)).join(', ');
  return new CodedError(
    'moderation_unreadable',
    `The guard model '${name}' answered ${said}; expected ${expected}. Name another guard model in TUNERY_MODERATION_MODEL, or leave the variable out.`,
    { status: 500 },
  );
}

const shown = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
