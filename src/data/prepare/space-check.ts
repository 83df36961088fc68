// A completion begins with one space: most tokenizers keep the space with the word behind it.
import { type Check, rowList } from './finding.ts';

export const leadingSpace: Check = (pairs, say) => {
  const code = 'completion_space_start';
  const lacking = pairs.filter(({ completion }) => !completion.startsWith(' '));
  const several = pairs.filter(({ completion }) => completion.startsWith('  '));
  if (lacking.length === 0 && several.length === 0) return null;
  const apply = (all: Parameters<Check>[0]) =>
    all.map((pair) => ({ ...pair, completion: ` ${pair.completion.replace(/^ +/, '')}` }));
  if (lacking.length === 0) {
    const text = say('prepare.spaces', { rows: rowList(several) });
    return { code, text, rows: several, optional: { text: say('prepare.spaces.do'), apply } };
  }
  const text = say('prepare.space');
  return { code, text, rows: lacking, optional: { text: say('prepare.space.do'), apply } };
};

/** Asked only where the file itself was pasted from a web page: elsewhere such a space may be meant. */
export const unbrokenSpaces: Check = (pairs, say) => {
  const marked = pairs.filter((pair) => `${pair.prompt}${pair.completion}`.includes(NBSP));
  if (marked.length === 0) return null;
  const count = marked.reduce(
    (sum, pair) => sum + `${pair.prompt}${pair.completion}`.split(NBSP).length - 1,
    0,
  );
  const plain = (text: string) => text.replaceAll(NBSP, ' ');
  return {
    code: 'no_break_spaces',
    text: say('prepare.nbsp', { count, rows: rowList(marked) }),
    rows: marked,
    optional: {
      text: say('prepare.nbsp.do', { count }),
      apply: (all) =>
        all.map((pair) => ({
          ...pair,
          prompt: plain(pair.prompt),
          completion: plain(pair.completion),
        })),
    },
  };
};
const NBSP = '\u00a0';
