// Cuts text into the pieces that BPE works on: lists of patterns, each applied to the pieces that the
// one before it left. The wrong list gives plausible but wrong tokens, so unknown names are refused.

/** Pieces in order; together they are the text. */
export type Split = (text: string) => string[];

const CONTRACTIONS_ANY_CASE = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const cl100k = (digits: string) =>
  `${CONTRACTIONS_ANY_CASE}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}` +
  '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Values of `tokenizer.ggml.pre`, as llama.cpp's llama-vocab.cpp reads them. */
const PATTERNS: Readonly<Record<string, readonly string[]>> = {
  'gpt-2': [GPT2],
  // Digits one by one first, then the GPT-2 pattern on each piece: one combined pattern is not the same.
  smollm: ['\\p{N}', GPT2],
  starcoder: ['\\p{N}', GPT2],
  refact: ['\\p{N}', GPT2], // Granite too
  'llama-bpe': [cl100k('\\p{N}{1,3}')],
  qwen2: [cl100k('\\p{N}')],
  default: ['[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'],
};

/** Only Llama 3 takes a whole piece as a token before it looks at the merges. */
export const ignoresMerges = (name: string) => name === 'llama-bpe';
/** Qwen composes characters before it tokenizes. */
export const composes = (name: string) => name === 'qwen2';

export function splitNamed(name: string): Split {
  const patterns = PATTERNS[name];
  if (patterns === undefined)
    throw new Error(
      `This model's pre-tokenizer '${name}' (tokenizer.ggml.pre) is not supported. ` +
        `Supported: ${Object.keys(PATTERNS).join(', ')}.`,
    );
  return splitByPatterns(patterns);
}

export const gpt2Split = () => splitByPatterns([GPT2]);

/** Patterns in the syntax of tokenizer.json (Oniguruma). */
export function splitByPatterns(patterns: readonly string[]): Split {
  const expressions = patterns.map(toRegExp);
  return (text) => expressions.reduce((pieces, regex) => pieces.flatMap(cut(regex)), [text]);
}

const cut = (regex: RegExp) => (text: string) => {
  const pieces: string[] = [];
  let end = 0;
  for (const match of text.matchAll(regex)) {
    if (match[0] === '') continue;
    if (match.index > end) pieces.push(text.slice(end, match.index));
    pieces.push(match[0]);
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
};

function toRegExp(pattern: string): RegExp {
  // JavaScript's \s holds U+FEFF and lacks U+0085; the tokenizers mean Unicode's White_Space.
  const source = pattern
    .replaceAll(/\\[sS]/g, (s) => (s === '\\s' ? '\\p{White_Space}' : '\\P{White_Space}'))
    .replaceAll(/\\(['"#<>=!@%&~`,;: ])/g, '$1');
  try {
    return new RegExp(source, 'gu');
  } catch (cause) {
    throw new Error(`This model's pre-tokenizer pattern is not supported: ${pattern}`, { cause });
  }
}
