// Text as a set of numbers: words, pairs of words and pieces of words, and for scripts without spaces
// runs of one to three characters, each hashed into 16 bits. Changing anything here makes the trained
// model wrong: raise FEATURES_VERSION and train again.

export const FEATURES_VERSION = 1;
export const BUCKETS = 65_536;

const RUN =
  /([\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+)|([\p{L}\p{N}\p{M}']+)/gu;
const PIECE = 4; // characters of a piece of a word; finds misspelt and compounded words

/** The numbers of the text's features, each once, ascending. */
export function featuresOf(text: string): Uint16Array {
  const found = new Set<number>();
  let before = ''; // the word to the left, for pairs
  for (const [run, dense] of normalized(text).matchAll(RUN)) {
    if (dense === undefined) {
      addWord(run, before, found);
      before = run;
    } else {
      addDense([...dense], found);
      before = '';
    }
  }
  return Uint16Array.from(found).sort();
}

/** One form for what looks alike; invisible characters go. */
const normalized = (text: string) =>
  text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\p{Cf}/gu, '')
    .replace(/[’‘`]/g, "'")
    .replace(/\p{N}/gu, '0');

function addWord(word: string, before: string, found: Set<number>): void {
  found.add(hash(`w${word}`));
  if (before !== '') found.add(hash(`p${before} ${word}`));
  const bounded = `^${word}$`;
  for (let i = 0; word.length > 2 && i + PIECE <= bounded.length; i++)
    found.add(hash(`c${bounded.slice(i, i + PIECE)}`));
}

function addDense(characters: readonly string[], found: Set<number>): void {
  for (let i = 0; i < characters.length; i++) {
    let gram = 'd';
    for (let n = 0; n < 3 && i + n < characters.length; n++) {
      gram += characters[i + n];
      found.add(hash(gram));
    }
  }
}

/** FNV-1a over UTF-16 code units, folded to 16 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 13;
  return h & 0xffff;
}

/** What a sum of weights is divided by: long and short texts weigh the same, a lone word less. */
export const dampingOf = (features: Uint16Array) => Math.sqrt(features.length + 16);
