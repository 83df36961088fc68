// POST /v1/moderations: by the bundled classifier, or by the guard model that the operator names.
import { setImmediate } from 'node:timers/promises';
import { Hono } from 'hono';
import { newId } from '../../lib/id.ts';
import { CATEGORIES, flaggedIn, type Scores } from '../../moderate/categories.ts';
import { loadClassifier } from '../../moderate/classify.ts';
import type { Verdict } from '../../moderate/guard-families.ts';
import type { Deps } from '../deps.ts';
import { modelNotUsable } from '../errors.ts';
import { guardJudge } from '../guard-model.ts';
import { readBody } from '../read-body.ts';
import { CreateModeration, textsOf } from '../schemas/moderations.ts';

export function moderations(deps: Deps): Hono {
  return new Hono().post('/', async (c) => {
    const { input, model } = await readBody(c, CreateModeration, deps.config);
    const judge = judgeFor(model, deps, c.req.raw.signal);
    const results: object[] = [];
    for (const text of textsOf(input)) results.push(wireResult(await judge(text)));
    return c.json({ id: newId('modr-'), model, results });
  });
}

type Judge = (text: string) => Promise<Verdict>;

/** The original's names, of which all mean what this server has. */
const OF_THE_API =
  /^(omni-moderation-(latest|\d{4}-\d{2}-\d{2})|text-moderation-(latest|stable|\d{3}))$/;
const BUNDLED = 'tunery-moderation';

function judgeFor(model: string, deps: Deps, signal: AbortSignal): Judge {
  const guard = deps.config.moderationModel;
  if (guard !== null && (model === guard || OF_THE_API.test(model)))
    return guardJudge(guard, deps, signal);
  if (model === BUNDLED || OF_THE_API.test(model)) return classified;
  throw modelNotUsable(model);
}

async function classified(text: string): Promise<Verdict> {
  await setImmediate(); // a long list must not hold up other requests
  const scores = loadClassifier().classify(text);
  return { flagged: flaggedIn(scores).length > 0, scores };
}

function wireResult({ flagged, scores }: Verdict) {
  const found = flaggedIn(scores);
  const map = (value: (category: keyof Scores) => unknown) =>
    Object.fromEntries(CATEGORIES.map((category) => [category, value(category)]));
  return {
    flagged,
    categories: map((category) => found.includes(category)),
    category_scores: map((category) => scores[category]),
    category_applied_input_types: map(() => ['text']),
  };
}
