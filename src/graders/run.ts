// Runs a grader on what a model has written: a reward, and what went wrong on the way. Knows no server:
// `ask` asks a model.
import { CodedError } from '../lib/coded-error.ts';
import { FormulaError, parseFormula } from './formula.ts';
import { type Grader, type Multi, partsOf, type Single, variablesOf } from './grader.ts';
import {
  type AskModel,
  chooseLabel,
  type ModelAnswer,
  type ModelRequest,
  requestOf,
  scoreIn,
} from './model-grader.ts';
import { GraderProblem } from './problem.ts';
import { type Facts, fill } from './template.ts';
import { similarity } from './text-similarity.ts';

export type Use = {
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
};
export type Grade = {
  /** 0 where there are problems. */
  readonly reward: number;
  readonly problems: readonly GraderProblem[];
  /** Of the parts of a multi grader, by their names. */
  readonly subRewards: Readonly<Record<string, number>>;
  readonly uses: readonly Use[];
};

export async function runGrader(grader: Grader, facts: Facts, ask: AskModel): Promise<Grade> {
  return grader.type === 'multi'
    ? await multi(grader, facts, ask)
    : await single(grader, facts, ask);
}

async function multi(grader: Multi, facts: Facts, ask: AskModel): Promise<Grade> {
  const subRewards: Record<string, number> = {};
  const problems: GraderProblem[] = [];
  const uses: Use[] = [];
  // One after the other: a part that asks a model must not crowd out the next.
  for (const { key, grader: part } of partsOf(grader)) {
    const grade = await single(part, facts, ask);
    subRewards[key] = grade.reward;
    problems.push(...grade.problems);
    uses.push(...grade.uses);
  }
  const { reward, problem } = combined(grader, subRewards);
  if (problem !== null) problems.push(problem);
  return { reward: problems.length > 0 ? 0 : reward, problems, subRewards, uses };
}

function combined(grader: Multi, rewards: Readonly<Record<string, number>>) {
  const values = new Map([...variablesOf(grader)].map(([name, key]) => [name, rewards[key]!]));
  const failed = (problem: GraderProblem) => ({ reward: 0, problem });
  try {
    const formula = parseFormula(grader.calculate_output);
    const unknown = formula.names.find((name) => !values.has(name));
    if (unknown !== undefined)
      return failed(new GraderProblem('invalid_variable_error', `there is no grader '${unknown}'`));
    const reward = formula.evaluate(values);
    if (Number.isFinite(reward)) return { reward, problem: null };
    return failed(new GraderProblem('other_error', `the formula gives ${reward}`));
  } catch (error) {
    if (error instanceof FormulaError)
      return failed(new GraderProblem('formula_parse_error', error.message));
    throw error;
  }
}

async function single(grader: Single, facts: Facts, ask: AskModel): Promise<Grade> {
  const uses: Use[] = [];
  try {
    const reward = await rewardOf(grader, facts, async (request) => {
      const answer = await asked(ask, request);
      const { promptTokens, completionTokens } = answer;
      uses.push({ model: request.model, promptTokens, completionTokens });
      return answer;
    });
    return { reward, problems: [], subRewards: {}, uses };
  } catch (error) {
    if (error instanceof GraderProblem)
      return { reward: 0, problems: [error], subRewards: {}, uses };
    throw error;
  }
}

async function rewardOf(grader: Single, facts: Facts, ask: AskModel): Promise<number> {
  switch (grader.type) {
    case 'string_check': {
      const [input, reference] = [fill(grader.input, facts), fill(grader.reference, facts)];
      return stringCheck(grader.operation, input, reference) ? 1 : 0;
    }
    case 'text_similarity': {
      const [input, reference] = [fill(grader.input, facts), fill(grader.reference, facts)];
      return similarity(grader.evaluation_metric, input, reference);
    }
    case 'score_model':
      return scoreIn(grader, await ask(requestOf(grader, facts)));
    case 'label_model': {
      const label = await chooseLabel(grader, facts, ask);
      return grader.passing_labels.includes(label) ? 1 : 0;
    }
    case 'python':
      throw new GraderProblem('python_grader_server_error', 'no sandbox is configured');
    default:
      throw grader satisfies never;
  }
}

/** like: the input contains the reference; ilike: whatever the case. */
function stringCheck(operation: 'eq' | 'ne' | 'like' | 'ilike', input: string, reference: string) {
  if (operation === 'eq') return input === reference;
  if (operation === 'ne') return input !== reference;
  if (operation === 'like') return input.includes(reference);
  return input.toLowerCase().includes(reference.toLowerCase());
}

async function asked(ask: AskModel, request: ModelRequest): Promise<ModelAnswer> {
  try {
    return await ask(request);
  } catch (error) {
    // Refusals with words, such as a prompt that is too long; a defect of ours is thrown on.
    if (error instanceof CodedError)
      throw new GraderProblem('model_grader_server_error', error.message);
    throw error;
  }
}
