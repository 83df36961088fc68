// OpenAI's cl100k_base, for counting only: what a file would have cost there, and what is counted
// before a base model is chosen. No model of ours is trained or asked with these ids.
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { mergePairs, type Pair } from './merge-pairs.ts';
import { splitNamed } from './pre-tokenizer.ts';

export type Cl100k = {
  /** Ids of plain text; control tokens written in it are text. */
  readonly encode: (text: string) => number[];
  readonly count: (text: string) => number;
  readonly decode: (ids: Iterable<number>) => string;
};

let loaded: Cl100k | null = null;
/** Reads the vocabulary on the first call: about 0.2 s. */
export function cl100k(): Cl100k {
  loaded ??= load(new URL('../../assets/cl100k/tokens.br', import.meta.url));
  return loaded;
}

function load(source: URL): Cl100k {
  const tokens = readTokens(brotliDecompressSync(readFileSync(source)));
  const rankOf = new Map(tokens.map((token, rank) => [token, rank]));
  const split = splitNamed('llama-bpe'); // Llama 3 took the pattern of cl100k_base
  const pairs = new Map<number, Pair | undefined>();
  const pairOf = (left: number, right: number) => {
    const key = left * tokens.length + right;
    const known = pairs.get(key);
    if (known !== undefined || pairs.has(key)) return known;
    const id = rankOf.get(tokens[left]! + tokens[right]!);
    const pair = id === undefined ? undefined : { id, priority: id };
    if (pairs.size < MOST_PAIRS) pairs.set(key, pair);
    return pair;
  };
  const encodePiece = (piece: string): number[] => {
    const bytes = Buffer.from(piece, 'utf8').toString('latin1');
    const whole = rankOf.get(bytes);
    if (whole !== undefined) return [whole];
    const symbols = Array.from(bytes, (byte) => rankOf.get(byte)!);
    return mergePairs(symbols, new Array<number>(symbols.length).fill(1), pairOf).ids;
  };
  // Words repeat: most pieces of a file have been merged before.
  const counts = new Map<string, number>();
  const countPiece = (piece: string): number => {
    const known = counts.get(piece);
    if (known !== undefined) return known;
    const count = encodePiece(piece).length;
    if (piece.length > LONGEST_CACHED) return count;
    if (counts.size >= MOST_CACHED) counts.clear();
    // V8 keeps the whole text for a slice of 13 characters or more; the cache must not.
    counts.set(piece.length > 12 ? Buffer.from(piece).toString() : piece, count);
    return count;
  };
  return {
    encode: (text) => split(text).flatMap(encodePiece),
    count: (text) => {
      let count = 0;
      for (const piece of split(text)) count += countPiece(piece);
      return count;
    },
    decode: (ids) =>
      Buffer.from(Array.from(ids, (id) => tokens[id]!).join(''), 'latin1').toString('utf8'),
  };
}

const MOST_PAIRS = 100_000;
const LONGEST_CACHED = 64;
const MOST_CACHED = 100_000;

/** Byte strings, one character per byte, in the order of their ranks. */
function readTokens(bytes: Buffer): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at]!;
    tokens.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return tokens;
}
