// Question–answer rows to rows that reason (STaR): a model is asked to reason, and what ends in the right
// answer is kept.
import { CodedError } from '../../lib/coded-error.ts';
import { sha256Of } from '../source/manifest.ts';
import type { SourceOptions } from '../source/rows.ts';
import { viewOfRow } from '../transform/expression.ts';
import { type Asking, type AskSettings, askAll, planOf, unused } from './ask.ts';
import { type Made, writeMade } from './made-rows.ts';
import { endsIn, rationaleIn, rationalePrompt } from './rationale-rows.ts';
import { rowsIn } from './rows-in.ts';

export type RationalesRequest = {
  readonly path: string;
  /** What manifest, plan and provenance call it. */
  readonly name: string;
  readonly output: string;
  readonly dryRun: boolean;
  readonly settings: AskSettings;
} & SourceOptions;

export type Rationales = Made & {
  readonly object: 'tunery.rationales';
  readonly asked: number;
  readonly kept: number;
  readonly share: number;
  /** Lines without a question and an answer. */
  readonly left_out: readonly number[];
};

const TOKENS_OF_A_RATIONALE = 120; // a guess, for the plan

/** Null: it was only to say what it would take. */
export async function rationales(
  request: RationalesRequest,
  asking: Asking,
): Promise<Rationales | null> {
  const { path, name, sheet, encoding, settings } = request;
  const { items, leftOut, notes } = await rowsIn(request, asking.say, (row) => {
    const view = viewOfRow(row);
    if (view === null || view.prompt === '' || view.answer === '') return null;
    return { question: view.prompt, expected: view.answer };
  });
  if (items.length === 0)
    throw new CodedError('no_rows', asking.say('rationale.no_rows'), { param: 'file' });
  const questions = items.map(({ question }) => rationalePrompt(question));
  const perAnswer = Math.min(settings.maxTokens, TOKENS_OF_A_RATIONALE);
  asking.onPlan(planOf(questions, perAnswer, [{ file: name, license: null, notes }]));
  if (request.dryRun) return null;

  const { answers, told } = await askAll(questions, settings, asking);
  const judged = items.map((item, i) => {
    const answer = answers[i]!;
    const rationale = 'refused' in answer ? '' : rationaleIn(answer.text);
    const right = !('refused' in answer) && !answer.cut && endsIn(rationale, item.expected);
    return { item, answer, rationale, right };
  });
  const kept = judged.filter(({ right }) => right);
  const made = await writeMade(request, {
    rows: kept.map(({ item: { line, question }, rationale }) => ({
      row: {
        messages: [
          { role: 'user', content: question },
          { role: 'assistant', content: rationale },
        ],
      },
      source: { file: name, from_line: line },
    })),
    rejected: judged
      .filter(({ right }) => !right)
      .map(({ item, answer }) => ({ ...item, ...unused(answer) })),
    step: { do: 'rationale', sheet, encoding },
    inputs: [{ path, sha256: await sha256Of(path), rows: items.length, file: name }],
    told,
  });
  return {
    object: 'tunery.rationales',
    ...made,
    asked: items.length,
    kept: kept.length,
    share: kept.length / items.length,
    left_out: leftOut,
  };
}
