// Why a grade could not be given. It ends up in `metadata.errors` of the answer, with a reward of 0.

export type Flag =
  | 'formula_parse_error'
  | 'sample_parse_error'
  | 'truncated_observation_error'
  | 'unresponsive_reward_error'
  | 'invalid_variable_error'
  | 'other_error'
  | 'python_grader_server_error'
  | 'python_grader_runtime_error'
  | 'model_grader_server_error'
  | 'model_grader_refusal_error'
  | 'model_grader_parse_error';

export class GraderProblem extends Error {
  readonly flag: Flag;
  constructor(flag: Flag, message: string) {
    super(message);
    this.flag = flag;
  }
}

export type GraderErrors = Readonly<Record<Flag, boolean>> & {
  readonly python_grader_server_error_type: string | null;
  readonly python_grader_runtime_error_details: string | null;
  readonly model_grader_server_error_details: string | null;
};

export function errorsOf(problems: readonly GraderProblem[]): GraderErrors {
  const has = (flag: Flag) => problems.some((problem) => problem.flag === flag);
  const server = problems.find(({ flag }) => flag === 'model_grader_server_error');
  return {
    formula_parse_error: has('formula_parse_error'),
    sample_parse_error: has('sample_parse_error'),
    truncated_observation_error: has('truncated_observation_error'),
    unresponsive_reward_error: has('unresponsive_reward_error'),
    invalid_variable_error: has('invalid_variable_error'),
    other_error: has('other_error'),
    python_grader_server_error: has('python_grader_server_error'),
    python_grader_server_error_type: null,
    python_grader_runtime_error: has('python_grader_runtime_error'),
    python_grader_runtime_error_details: null,
    model_grader_server_error: has('model_grader_server_error'),
    model_grader_refusal_error: has('model_grader_refusal_error'),
    model_grader_parse_error: has('model_grader_parse_error'),
    model_grader_server_error_details: server?.message ?? null,
  };
}
