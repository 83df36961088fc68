// fuzzy_match: the weighted ratio of rapidfuzz (`fuzz.WRatio`, from 0 to 1 here). The largest of several
// comparisons: as they are, with words sorted, with common words set apart, and, where the lengths
// differ, of the shorter text with its best place in the longer one.
import { CodedError } from '../../lib/coded-error.ts';
import { commonLength, commonLengths, type Pattern, patternOf } from './lcs.ts';
import { split } from './words.ts';

const WORDS_SCALE = 0.95; // order ignored
const PARTIAL_SCALE = 0.9; // a part only
const SMALL_PARTIAL_SCALE = 0.6; // a small part

export function fuzzy(a: string, b: string): number {
  if (a === '' || b === '') return 0;
  const [charsA, charsB] = [[...a], [...b]];
  const lengths = [charsA.length, charsB.length];
  const lengthRatio = Math.max(...lengths) / Math.min(...lengths);
  const plain = ratio(charsA, charsB);
  if (lengthRatio < 1.5) return Math.max(plain, wordsRatio(a, b) * WORDS_SCALE);
  const scale = lengthRatio <= 8 ? PARTIAL_SCALE : SMALL_PARTIAL_SCALE;
  return Math.max(
    plain,
    partialRatio(charsA, charsB) * scale,
    partialWordsRatio(a, b) * WORDS_SCALE * scale,
  );
}

type Chars = readonly string[];

/** Twice the common characters by all characters: 1 - the normalised indel distance. */
function ratio(a: Chars, b: Chars): number {
  const length = a.length + b.length;
  return length === 0 ? 1 : (2 * commonLength(patternOf(a), b)) / length;
}

/** The best ratio of the shorter text with a stretch of the longer one. */
function partialRatio(a: Chars, b: Chars): number {
  if (a.length === 0 && b.length === 0) return 1;
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  const best = bestStretch(short, long);
  return best < 1 && short.length === long.length ? Math.max(best, bestStretch(long, short)) : best;
}

const MOST_WORK = 3e8; // machine words; about half a second, in which the server answers nobody else

/** Stretches are as long as the short text, or shorter at either end of the long one. */
function bestStretch(short: Chars, long: Chars): number {
  const pattern = patternOf(short);
  const n = short.length;
  let best = 0;
  const note = (common: number, length: number) => {
    best = Math.max(best, (2 * common) / (n + length));
  };
  const ends = (pieces: Chars, wanted: Pattern<string>) => {
    for (const [i, common] of commonLengths(wanted, pieces).entries()) note(common, i + 1);
  };
  ends(long.slice(0, n), pattern);
  ends(long.slice(long.length - n).reverse(), patternOf([...short].reverse()));
  let work = 0;
  for (let from = 0; from + n <= long.length; ) {
    work += n * Math.ceil(n / 32);
    if (work > MOST_WORK) throw tooLong();
    const common = commonLength(pattern, long, from, from + n);
    note(common, n);
    // Moving on by one can add one common character; what cannot reach the best so far is skipped.
    from += Math.max(1, Math.floor(best * n - common));
  }
  return best;
}

const tooLong = () =>
  new CodedError(
    'text_too_long',
    'The texts are too long for fuzzy_match; shorten them or use another evaluation_metric.',
  );

const sorted = (text: string) => [...split(text).sort(byCodePoint).join(' ')];
const byCodePoint = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const wordsRatio = (a: string, b: string) => Math.max(ratio(sorted(a), sorted(b)), setRatio(a, b));

/** What both have, and each one's rest behind it. */
function sets(a: string, b: string) {
  const [wordsA, wordsB] = [new Set(split(a)), new Set(split(b))];
  const join = (words: Iterable<string>) => [...words].sort(byCodePoint).join(' ');
  return {
    empty: wordsA.size === 0 || wordsB.size === 0,
    common: [...join([...wordsA].filter((word) => wordsB.has(word)))].length,
    restA: [...join([...wordsA].filter((word) => !wordsB.has(word)))],
    restB: [...join([...wordsB].filter((word) => !wordsA.has(word)))],
  };
}

function setRatio(a: string, b: string): number {
  const { empty, common, restA, restB } = sets(a, b);
  if (empty) return 0;
  if (common > 0 && (restA.length === 0 || restB.length === 0)) return 1;
  const space = common > 0 ? 1 : 0;
  const [lengthA, lengthB] = [restA, restB].map((rest) => common + space + rest.length);
  const distance = restA.length + restB.length - 2 * commonLength(patternOf(restA), restB);
  const similarity = (apart: number, length: number) => (length > 0 ? 1 - apart / length : 1);
  const rests = similarity(distance, lengthA! + lengthB!);
  if (common === 0) return rests;
  return Math.max(
    rests,
    similarity(space + restA.length, common + lengthA!),
    similarity(space + restB.length, common + lengthB!),
  );
}

function partialWordsRatio(a: string, b: string): number {
  const { empty, common, restA, restB } = sets(a, b);
  if (empty) return 0;
  if (common > 0) return 1;
  return Math.max(partialRatio(sorted(a), sorted(b)), partialRatio(restA, restB));
}
