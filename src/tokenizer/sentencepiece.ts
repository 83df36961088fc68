// SentencePiece-style BPE (Llama 1 and 2, stories260K): characters are merged, a space is written ▁,
// and a character outside the vocabulary becomes its bytes or the unknown token.
import type { PieceModel, PieceTokens } from './byte-level.ts';
import { mergePairs, type Pair } from './merge-pairs.ts';

export const SPACE = '▁';

export type SentencePieceOptions = {
  readonly tokens: readonly string[];
  /** Token that two neighbours become; from merges (tokenizer.json) or scores (GGUF). */
  readonly pairOf: (left: string, right: string) => { token: string; priority: number } | undefined;
  readonly byteFallback: boolean;
  readonly unknownId: number | null;
  /** Neighbouring unknown characters share one unknown token. */
  readonly fuseUnknown: boolean;
};

export function sentencePieceModel(options: SentencePieceOptions): PieceModel {
  const { tokens, unknownId } = options;
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const cache = new Map<number, Pair | undefined>();
  const pairOf = (left: number, right: number): Pair | undefined => {
    if (left < 0 || right < 0) return undefined;
    const key = left * tokens.length + right;
    if (cache.has(key)) return cache.get(key);
    const pair = options.pairOf(tokens[left]!, tokens[right]!);
    const id = pair && idOf.get(pair.token);
    const found = pair && id !== undefined ? { id, priority: pair.priority } : undefined;
    cache.set(key, found);
    return found;
  };

  const tokenize = (piece: string): PieceTokens => {
    const chars = [...piece];
    const merged = mergePairs(
      chars.map((char) => idOf.get(char) ?? UNKNOWN),
      chars.map((char) => char.length),
      pairOf,
    );
    const out = { ids: [] as number[], starts: [] as number[], ends: [] as number[] };
    const push = (id: number, start: number, end: number) => {
      out.ids.push(id);
      out.starts.push(start);
      out.ends.push(end);
    };
    let at = 0;
    let afterUnknown = false;
    for (const [i, id] of merged.ids.entries()) {
      const [start, end] = [at, at + merged.spans[i]!];
      at = end;
      const bytes = id === UNKNOWN ? bytesOf(piece.slice(start, end)) : null;
      if (id !== UNKNOWN) push(id, start, end);
      else if (bytes !== null) for (const byte of bytes) push(byte, start, end);
      else if (afterUnknown && options.fuseUnknown) out.ends[out.ends.length - 1] = end;
      else if (unknownId !== null) push(unknownId, start, end);
      else
        throw new Error(
          `Tokenizer: no token for '${piece.slice(start, end)}' and no unknown token.`,
        );
      afterUnknown = id === UNKNOWN && bytes === null;
    }
    return out;
  };

  const bytesOf = (char: string): number[] | null => {
    if (!options.byteFallback) return null;
    const ids = Array.from(Buffer.from(char, 'utf8'), (byte) => idOf.get(byteToken(byte)));
    return ids.every((id) => id !== undefined) ? ids : null;
  };

  const bytes = (id: number): Uint8Array => {
    const token = tokens[id]!;
    const byte = options.byteFallback ? /^<0x([0-9A-F]{2})>$/.exec(token)?.[1] : undefined;
    if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
    return Buffer.from(token.replaceAll(SPACE, ' '), 'utf8');
  };
  return { tokenize, bytes };
}

const UNKNOWN = -1;
const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** Whether text may be cut before each ▁ that follows another character without changing the tokens:
 *  true when no token continues across such a place. Makes words cacheable. */
export const wordsAreIndependent = (tokens: readonly string[]) =>
  !tokens.some((token) => new RegExp(`[^${SPACE}]${SPACE}`, 'u').test(token));
