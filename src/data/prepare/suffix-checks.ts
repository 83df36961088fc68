// Where a prompt ends and where a completion ends: a separator and an ending that all rows share and
// that stand nowhere else.
import { characters, commonSuffix, shown } from './affix.ts';
import { type Check, rowList } from './finding.ts';
import { completions, type Pair, prompts, taskOf } from './pair.ts';

const SEPARATORS = [
  ' ->',
  '\n\n###\n\n',
  '\n\n===\n\n',
  '\n\n---\n\n',
  '\n\n===>\n\n',
  '\n\n--->\n\n',
];
const LAST_SEPARATOR = '\n\n### =>\n\n';
const ENDINGS = ['\n', '.', ' END', '***', '+++', '&&&', '$$$', '@@@', '%%%'];
const LAST_ENDING = ' [END]';
const LONG_SUFFIX = 10;

export const promptSuffix: Check = (pairs, say) => {
  if (taskOf(pairs) === 'open-ended generation') return null;
  const texts = prompts(pairs);
  const suffix = commonSuffix(texts);
  if (texts.every((text) => text === suffix)) {
    const text = say('prepare.prompts_same', { text: suffix });
    return { code: 'common_suffix', text, rows: [], error: true };
  }
  const better = separatorFor(texts);
  const code = 'common_prompt_suffix';
  if (suffix === '') return suffixMissing(pairs, texts, better, say);
  const long = characters(suffix) > LONG_SUFFIX;
  const again = repeating(pairs, suffix, ({ prompt }) => prompt);
  const text = say(long ? 'prepare.prompt_suffix_long' : 'prepare.prompt_suffix', {
    suffix: shown(suffix),
    better: shown(better),
  });
  return { code, text: `${text}${twice(again, suffix, say)}`, rows: again };
};

/** A warning about prompts that hold the separator before their end too. */
function twice(rows: readonly Pair[], suffix: string, say: Parameters<Check>[1]): string {
  const params = { suffix: shown(suffix), rows: rowList(rows) };
  return rows.length === 0 ? '' : `\n${say('prepare.prompt_suffix_twice', params)}`;
}

function suffixMissing(
  pairs: readonly Pair[],
  texts: readonly string[],
  better: string,
  say: Parameters<Check>[1],
): ReturnType<Check> {
  const code = 'common_prompt_suffix';
  // Most rows have a separator already: a second one behind it would only confuse.
  const used = [...SEPARATORS, LAST_SEPARATOR].find(
    (option) => texts.filter((text) => text.endsWith(option)).length * 2 > texts.length,
  );
  if (used !== undefined) {
    const rows = pairs.filter(({ prompt }) => !prompt.endsWith(used));
    const params = { suffix: shown(used), count: rows.length, rows: rowList(rows) };
    const inside = pairs.filter(({ prompt }) =>
      (prompt.endsWith(used) ? prompt.slice(0, -used.length) : prompt).includes(used),
    );
    const warning = twice(inside, used, say);
    return {
      code,
      text: `${say('prepare.prompt_suffix_some', params)}${warning}`,
      rows: pairs.filter((pair) => rows.includes(pair) || inside.includes(pair)),
      optional: {
        text: say('prepare.prompt_suffix_some.do', params),
        apply: (all) =>
          all.map((pair) =>
            pair.prompt.endsWith(used) ? pair : { ...pair, prompt: `${pair.prompt}${used}` },
          ),
      },
    };
  }
  return {
    code,
    text: say('prepare.prompt_suffix_none'),
    rows: pairs,
    optional: {
      text: say('prepare.prompt_suffix.do', { suffix: shown(better) }),
      apply: (all) => all.map((pair) => ({ ...pair, prompt: `${pair.prompt}${better}` })),
    },
  };
}

/** One that stands in no prompt; the short one only where prompts are single lines. */
function separatorFor(texts: readonly string[]): string {
  const lines = texts.some((text) => text.includes('\n'));
  const options = lines ? SEPARATORS.slice(1) : SEPARATORS;
  return unused([...options, LAST_SEPARATOR], texts, (n) => `\n\n### ${n} =>\n\n`);
}

export const completionSuffix: Check = (pairs, say) => {
  if (taskOf(pairs) !== 'conditional generation') return null;
  const texts = completions(pairs);
  const suffix = commonSuffix(texts);
  if (texts.every((text) => text === suffix)) {
    const text = say('prepare.completions_same', { text: suffix });
    return { code: 'common_suffix', text, rows: [], error: true };
  }
  const better = unused([...ENDINGS, LAST_ENDING], texts, (n) => ` [END ${n}]`);
  const code = 'common_completion_suffix';
  if (suffix === '') {
    return {
      code,
      text: say('prepare.completion_suffix_none'),
      rows: pairs,
      optional: {
        text: say('prepare.completion_suffix.do', { suffix: shown(better) }),
        apply: (all) => all.map((pair) => ({ ...pair, completion: `${pair.completion}${better}` })),
      },
    };
  }
  const long = characters(suffix) > LONG_SUFFIX;
  const again = repeating(pairs, suffix, ({ completion }) => completion);
  const text = say(long ? 'prepare.completion_suffix_long' : 'prepare.completion_suffix', {
    suffix: shown(suffix),
    better: shown(better),
  });
  const params = { suffix: shown(suffix), rows: rowList(again) };
  const warning = again.length === 0 ? '' : `\n${say('prepare.completion_suffix_twice', params)}`;
  return { code, text: `${text}${warning}`, rows: again };
};

const repeating = (pairs: readonly Pair[], suffix: string, part: (pair: Pair) => string) =>
  pairs.filter((pair) => part(pair).slice(0, -suffix.length).includes(suffix));

function unused(
  options: readonly string[],
  texts: readonly string[],
  more: (n: number) => string,
): string {
  const free = (option: string) => !texts.some((text) => text.includes(option));
  const found = options.find(free);
  if (found !== undefined) return found;
  let n = 1;
  while (!free(more(n))) n += 1;
  return more(n);
}

/** What a request can name as `stop`: what ends all completions, stands nowhere else and is no label. */
export function stopOf(pairs: readonly Pair[]): string {
  const texts = completions(pairs);
  const suffix = commonSuffix(texts);
  // Labels share endings by chance, as edible and inedible do; so do sentences with letters.
  const letters = taskOf(pairs) === 'classification' ? /[\p{L}\p{N}]/u : /^[\p{L}\p{N}]/u;
  if (suffix === '' || (letters.test(suffix) && suffix !== ' END' && suffix !== LAST_ENDING))
    return '';
  if (texts.some((text) => text.trim() === suffix.trim())) return '';
  return repeating(pairs, suffix, ({ completion }) => completion).length > 0 ? '' : suffix;
}
