// Porter's stemmer for English (Porter 1980) with the additions of nltk, whose METEOR uses it: short
// forms in -ies and -ied, -y after a consonant, -fulli, and a few irregular words.

/** Of a word in lower case. */
export function stem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length <= 2) return word;
  return [plural, past, finalY, doubleSuffix, suffix, lastSuffix, finalE, doubleL].reduce(
    (text, step) => step(text),
    word,
  );
}

const IRREGULAR = new Map([
  ['sky', 'sky'],
  ['skies', 'sky'],
  ['dying', 'die'],
  ['lying', 'lie'],
  ['tying', 'tie'],
  ['news', 'news'],
  ['innings', 'inning'],
  ['inning', 'inning'],
  ['outings', 'outing'],
  ['outing', 'outing'],
  ['cannings', 'canning'],
  ['canning', 'canning'],
  ['howe', 'howe'],
  ['proceed', 'proceed'],
  ['exceed', 'exceed'],
  ['succeed', 'succeed'],
]);

type Rule = readonly [ending: string, instead: string];

/** The first rule whose ending fits decides, whether or not its condition holds. */
function apply(
  word: string,
  rules: readonly Rule[],
  holds: (start: string, ending: string) => boolean = () => true,
): string {
  const rule = rules.find(([ending]) => word.endsWith(ending));
  if (rule === undefined) return word;
  const start = word.slice(0, word.length - rule[0].length);
  return holds(start, rule[0]) ? start + rule[1] : word;
}

const rulesOf = (text: string): Rule[] =>
  text.split(' ').map((pair) => pair.split('>') as [string, string]);

/** One letter for each letter: c for a consonant, v for a vowel; y is a vowel after a consonant. */
function shape(word: string): string {
  let out = '';
  for (const letter of word) {
    const vowel = 'aeiou'.includes(letter) || (letter === 'y' && out.at(-1) === 'c');
    out += vowel ? 'v' : 'c';
  }
  return out;
}

const measure = (word: string) => shape(word).split('vc').length - 1;
const hasVowel = (word: string) => shape(word).includes('v');
const endsInConsonant = (word: string) => shape(word).endsWith('c');
const endsDouble = (word: string) =>
  word.length >= 2 && word.at(-1) === word.at(-2) && endsInConsonant(word);
/** Consonant, vowel, consonant; or a word of just vowel and consonant. */
const endsShort = (word: string) =>
  (shape(word).endsWith('cvc') && !/[wxy]$/.test(word)) || shape(word) === 'vc';

function plural(word: string): string {
  if (word.length === 4 && word.endsWith('ies')) return word.slice(0, -1);
  return apply(word, rulesOf('sses>ss ies>i ss>ss s>'));
}

function past(word: string): string {
  if (word.endsWith('ied')) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith('eed')) return measure(word.slice(0, -3)) > 0 ? word.slice(0, -1) : word;
  const ending = ['ed', 'ing'].find(
    (known) => word.endsWith(known) && hasVowel(word.slice(0, -known.length)),
  );
  if (ending === undefined) return word;
  const start = word.slice(0, -ending.length);
  if (/(at|bl|iz)$/.test(start)) return `${start}e`;
  if (endsDouble(start)) return /[lsz]$/.test(start) ? start : start.slice(0, -1);
  return measure(start) === 1 && endsShort(start) ? `${start}e` : start;
}

const finalY = (word: string) =>
  apply(word, [['y', 'i']], (start) => start.length > 1 && endsInConsonant(start));

const DOUBLE = rulesOf(
  'ational>ate tional>tion enci>ence anci>ance izer>ize bli>ble alli>al entli>ent eli>e ousli>ous ' +
    'ization>ize ation>ate ator>ate alism>al iveness>ive fulness>ful ousness>ous aliti>al iviti>ive ' +
    'biliti>ble fulli>ful logi>log',
);

function doubleSuffix(word: string): string {
  if (word.endsWith('alli') && measure(word.slice(0, -4)) > 0)
    return doubleSuffix(word.slice(0, -2));
  // The l of -logi counts to the start, so that geology and archaeology end alike.
  return apply(
    word,
    DOUBLE,
    (start, ending) => measure(ending === 'logi' ? `${start}l` : start) > 0,
  );
}

const SUFFIX = rulesOf('icate>ic ative> alize>al iciti>ic ical>ic ful> ness>');
const suffix = (word: string) => apply(word, SUFFIX, (start) => measure(start) > 0);

const LAST = rulesOf(
  'al> ance> ence> er> ic> able> ible> ant> ement> ment> ent> ion> ou> ism> ate> iti> ous> ive> ize>',
);
const lastSuffix = (word: string) =>
  apply(
    word,
    LAST,
    (start, ending) => measure(start) > 1 && (ending !== 'ion' || /[st]$/.test(start)),
  );

function finalE(word: string): string {
  if (!word.endsWith('e')) return word;
  const start = word.slice(0, -1);
  const m = measure(start);
  return m > 1 || (m === 1 && !endsShort(start)) ? start : word;
}

const doubleL = (word: string) =>
  word.endsWith('ll') && measure(word.slice(0, -1)) > 1 ? word.slice(0, -1) : word;
