// The checks of the legacy command, in its order, on pairs. Each looks at the rows as they are now:
// the legacy command computed all of them before the first remedy and then applied stale ones.
import { characters, commonPrefix } from './affix.ts';
import { type Check, rowList } from './finding.ts';
import { completions, type Pair, prompts, taskOf } from './pair.ts';
import { leadingSpace } from './space-check.ts';
import { completionSuffix, promptSuffix } from './suffix-checks.ts';

const MIN_EXAMPLES = 100;
const LONG_CHARACTERS = 10_000;
const LONG_PROMPT_PREFIX = 12;
const LONG_COMPLETION_PREFIX = 5;

export const numExamples: Check = (pairs, say) => ({
  code: 'num_examples',
  text: say(pairs.length < MIN_EXAMPLES ? 'prepare.num_examples_few' : 'prepare.num_examples', {
    count: pairs.length,
  }),
  rows: [],
});

export const emptyCompletions: Check = (pairs, say) => {
  const rows = pairs.filter(isEmpty);
  if (rows.length === 0) return null;
  return {
    code: 'empty_completion',
    text: say('prepare.empty', { column: 'completion', rows: rowList(rows) }),
    rows,
    necessary: {
      text: say('prepare.empty.do', { count: rows.length, column: 'completion' }),
      apply: (all) => all.filter((pair) => !isEmpty(pair)),
    },
  };
};

const isEmpty = ({ completion }: Pair) => completion.trim() === '';

const taskType: Check = (pairs, say) =>
  taskOf(pairs) === 'classification'
    ? { code: 'format_inferrer', text: say('prepare.classification'), rows: [] }
    : null;

const duplicates: Check = (pairs, say) => {
  const rows = repeated(pairs);
  if (rows.length === 0) return null;
  return {
    code: 'duplicated_rows',
    text: say('prepare.duplicates', { count: rows.length, rows: rowList(rows) }),
    rows,
    optional: {
      text: say('prepare.duplicates.do', { count: rows.length }),
      apply: (all) => without(all, repeated(all)),
    },
  };
};

function repeated(pairs: readonly Pair[]): Pair[] {
  const seen = new Set<string>();
  return pairs.filter(({ prompt, completion }) => {
    const key = `${prompt.length} ${prompt}${completion}`;
    const again = seen.has(key);
    seen.add(key);
    return again;
  });
}

const without = (all: readonly Pair[], dropped: readonly Pair[]) => {
  const gone = new Set(dropped);
  return all.filter((pair) => !gone.has(pair));
};

const longExamples: Check = (pairs, say) => {
  if (taskOf(pairs) === 'open-ended generation') return null;
  const isLong = ({ prompt, completion }: Pair) =>
    characters(prompt) + characters(completion) > LONG_CHARACTERS;
  const rows = pairs.filter(isLong);
  if (rows.length === 0) return null;
  return {
    code: 'long_examples',
    text: say('prepare.long', { count: rows.length, rows: rowList(rows) }),
    rows,
    optional: {
      text: say('prepare.long.do', { count: rows.length }),
      apply: (all) => all.filter((pair) => !isLong(pair)),
    },
  };
};

const UPPER = /\p{Lu}/gu;
const LOWER = /[\p{L}&&\p{Lowercase}]/gv;

const upperCase =
  (column: 'prompt' | 'completion'): Check =>
  (pairs, say) => {
    const count = (pair: Pair, letters: RegExp) => pair[column].match(letters)?.length ?? 0;
    const total = (letters: RegExp) => pairs.reduce((sum, pair) => sum + count(pair, letters), 0);
    if (total(UPPER) * 2 <= total(LOWER)) return null;
    return {
      code: `lower_case_${column}`,
      text: say('prepare.upper', { column }),
      rows: pairs.filter((pair) => count(pair, UPPER) * 2 > count(pair, LOWER)),
      optional: {
        text: say('prepare.upper.do', { column }),
        apply: (all) => all.map((pair) => ({ ...pair, [column]: pair[column].toLowerCase() })),
      },
    };
  };

const promptPrefix: Check = (pairs, say) => {
  const prefix = commonPrefix(prompts(pairs));
  // That all prompts are the same is the business of the suffix check.
  if (prefix === '' || pairs.every(({ prompt }) => prompt === prefix)) return null;
  const code = 'common_prompt_prefix';
  if (characters(prefix) <= LONG_PROMPT_PREFIX)
    return { code, text: say('prepare.prompt_prefix', { prefix }), rows: [] };
  const count = characters(prefix);
  return {
    code,
    text: say('prepare.prompt_prefix_long', { prefix, count }),
    rows: pairs,
    optional: {
      text: say('prepare.prompt_prefix.do', { prefix }),
      apply: (all) => all.map((pair) => ({ ...pair, prompt: pair.prompt.slice(prefix.length) })),
    },
  };
};

const completionPrefix: Check = (pairs, say) => {
  const prefix = commonPrefix(completions(pairs));
  if (characters(prefix) < LONG_COMPLETION_PREFIX) return null;
  if (pairs.every(({ completion }) => completion === prefix)) return null;
  const space = prefix.startsWith(' ') ? ' ' : '';
  return {
    code: 'common_completion_prefix',
    text: say('prepare.completion_prefix', { prefix }),
    rows: pairs,
    optional: {
      text: say('prepare.completion_prefix.do', { prefix }),
      apply: (all) =>
        all.map((pair) => ({
          ...pair,
          completion: `${space}${pair.completion.slice(prefix.length)}`,
        })),
    },
  };
};

/** After columns and empty completions have been seen to. */
export const LEGACY_CHECKS: readonly Check[] = [
  taskType,
  duplicates,
  longExamples,
  upperCase('prompt'),
  upperCase('completion'),
  promptSuffix,
  promptPrefix,
  completionPrefix,
  completionSuffix,
  leadingSpace,
];
