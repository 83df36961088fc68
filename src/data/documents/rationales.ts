// Question–answer rows to rows that reason (STaR): a model is asked to reason, and what ends in the right
// answer is kept.
import { rm } from 'node:fs/promises';
import { CodedError } from '../../lib/coded-error.ts';
import type { Say } from '../../messages/say.ts';
import { explain } from '../problems.ts';
import { sha256Of, writeManifest } from '../source/manifest.ts';
import { openSource, type SourceOptions } from '../source/rows.ts';
import { writeRowsTo } from '../source/write-rows.ts';
import { viewOfRow } from '../transform/expression.ts';
import { type Asking, type AskSettings, askAll, planOf } from './ask.ts';
import { endsIn, rationaleIn, rationalePrompt } from './rationale-rows.ts';
import { writeRejected } from './rejected.ts';

export type RationalesRequest = {
  readonly path: string;
  /** What the manifest and the plan call it. */
  readonly name: string;
  readonly output: string;
  readonly dryRun: boolean;
  readonly settings: AskSettings;
} & SourceOptions;

export type Rationales = {
  readonly object: 'tunery.rationales';
  /** Null: nothing was right, and nothing was written but what was rejected. */
  readonly output: string | null;
  /** Reasoning that ends elsewhere, and questions that were refused; null: there were none. */
  readonly rejected: string | null;
  readonly manifest: string | null;
  readonly asked: number;
  readonly kept: number;
  readonly share: number;
  /** Lines without a question and an answer. */
  readonly left_out: readonly number[];
  readonly remembered: number;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
};

const TOKENS_OF_A_RATIONALE = 120; // a guess, for the plan

/** Null: it was only to say what it would take. */
export async function rationales(
  request: RationalesRequest,
  asking: Asking,
): Promise<Rationales | null> {
  const { path, name, output, settings } = request;
  const { items, leftOut, notes } = await itemsIn(path, request, asking.say);
  if (items.length === 0)
    throw new CodedError('no_rows', asking.say('rationale.no_rows'), { param: 'file' });
  const questions = items.map(({ question }) => rationalePrompt(question));
  const perAnswer = Math.min(settings.maxTokens, TOKENS_OF_A_RATIONALE);
  asking.onPlan(planOf(questions, perAnswer, [{ file: name, license: null, notes }]));
  if (request.dryRun) return null;

  const { answers, told } = await askAll(questions, settings, asking);
  const judged = items.map((item, i) => {
    const answer = answers[i]!;
    if ('refused' in answer)
      return { ...item, refused: answer.refused, rationale: '', right: false };
    const rationale = rationaleIn(answer.text);
    return { ...item, refused: null, rationale, right: endsIn(rationale, item.answer) };
  });
  const kept = judged.filter(({ right }) => right);
  const rejected = await writeRejected(
    output,
    judged
      .filter(({ right }) => !right)
      .map(({ line, question, answer, rationale, refused }) => ({
        line,
        question,
        answer,
        ...(refused === null ? { rationale } : { reason: refused }),
      })),
  );
  const summary = {
    object: 'tunery.rationales',
    rejected,
    asked: items.length,
    kept: kept.length,
    share: kept.length / items.length,
    left_out: leftOut,
    remembered: told.remembered,
    prompt_tokens: told.promptTokens,
    completion_tokens: told.completionTokens,
  } as const;
  if (kept.length === 0) return { ...summary, output: null, manifest: null };
  const written = await writeRowsTo(output, async (writer) => {
    for (const { question, rationale } of kept)
      await writer.line(
        JSON.stringify({
          messages: [
            { role: 'user', content: question },
            { role: 'assistant', content: rationale },
          ],
        }),
      );
  });
  const manifest = await writeManifest(output, {
    seed: settings.seed,
    steps: [
      {
        do: 'rationale',
        model: settings.model,
        endpoint: settings.endpoint,
        temperature: settings.temperature,
        max_tokens: settings.maxTokens,
      },
    ],
    inputs: [{ path, sha256: await sha256Of(path), rows: items.length }],
    outputs: [written],
  });
  await rm(settings.memory, { force: true });
  return { ...summary, output, manifest };
}

type Item = { readonly line: number; readonly question: string; readonly answer: string };

async function itemsIn(path: string, options: SourceOptions, say: Say) {
  const source = await openSource(path, options);
  const items: Item[] = [];
  const leftOut: number[] = [];
  const notes: string[] = [];
  try {
    for await (const item of source.items()) {
      if (item.kind !== 'row') {
        if (item.level === 'error') leftOut.push(item.line);
        notes.push(`line ${item.line}: ${explain(item, say).what}`);
        continue;
      }
      const view = viewOfRow(item.value);
      if (view === null || view.prompt === '' || view.answer === '') leftOut.push(item.line);
      else items.push({ line: item.line, question: view.prompt, answer: view.answer });
    }
    return { items, leftOut, notes };
  } finally {
    await source.close();
  }
}
