// Byte-level BPE (GPT-2 and its descendants): a piece of text becomes UTF-8 bytes, each byte a token,
// neighbours are merged by rank. Knows nothing of special tokens or of how text is cut into pieces.
import { mergePairs, type Pair } from './merge-pairs.ts';

/** Tokens of one piece; offsets in UTF-16 units of that piece. */
export type PieceTokens = {
  readonly ids: readonly number[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
};

export type PieceModel = {
  tokenize(piece: string): PieceTokens;
  /** The bytes a token stands for in text. */
  bytes(id: number): Uint8Array;
};

/** `ignoreMerges`: a piece that is a token itself is that token, whatever the merges say (Llama 3). */
export function byteLevelModel(
  tokens: readonly string[],
  merges: Iterable<readonly [string, string]>,
  ignoreMerges: boolean,
): PieceModel {
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const pairs = new Map<number, Pair>();
  let priority = 0;
  for (const [left, right] of merges) {
    const [l, r, id] = [idOf.get(left), idOf.get(right), idOf.get(left + right)];
    if (l === undefined || r === undefined || id === undefined)
      throw new Error(`Tokenizer: merge '${left} ${right}' names a token that is not in the list.`);
    const key = l * tokens.length + r;
    if (!pairs.has(key)) pairs.set(key, { id, priority });
    priority += 1;
  }
  const idOfByte = Array.from(CHAR_OF_BYTE, (char) => idOf.get(char) ?? -1);
  const pairOf = (left: number, right: number) => pairs.get(left * tokens.length + right);

  const tokenize = (piece: string): PieceTokens => {
    const bytes = Buffer.from(piece, 'utf8');
    const whole = ignoreMerges ? idOf.get(byteChars(bytes)) : undefined;
    if (whole !== undefined) return { ids: [whole], starts: [0], ends: [piece.length] };
    const symbols = Array.from(bytes, (byte) => {
      const id = idOfByte[byte]!;
      if (id < 0)
        throw new Error(`Tokenizer: no token for byte ${byte}; the vocabulary is broken.`);
      return id;
    });
    const merged = mergePairs(symbols, new Array<number>(symbols.length).fill(1), pairOf);
    return withCharOffsets(piece, merged.ids, merged.spans);
  };
  return { tokenize, bytes: (id) => bytesOfToken(tokens[id]!) };
}

/** A token that holds part of a character's bytes covers the whole character. */
function withCharOffsets(piece: string, ids: number[], byteCounts: readonly number[]): PieceTokens {
  const charOfByte: number[] = [];
  const ends: number[] = [];
  for (let at = 0; at < piece.length; ) {
    const code = piece.codePointAt(at)!;
    const units = code > 0xffff ? 2 : 1;
    const bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (let b = 0; b < bytes; b++) {
      charOfByte.push(at);
      ends.push(at + units);
    }
    at += units;
  }
  let byte = 0;
  const tokenStarts: number[] = [];
  const tokenEnds: number[] = [];
  for (const count of byteCounts) {
    tokenStarts.push(charOfByte[byte]!);
    byte += count;
    tokenEnds.push(ends[byte - 1]!);
  }
  return { ids, starts: tokenStarts, ends: tokenEnds };
}

// GPT-2 (bytes_to_unicode): printable bytes stand for themselves, the others for U+0100 and up.
const CHAR_OF_BYTE: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(printable ? byte : next++);
  });
})();
const BYTE_OF_CHAR = new Map(CHAR_OF_BYTE.map((char, byte) => [char, byte]));

const byteChars = (bytes: Uint8Array) => Array.from(bytes, (byte) => CHAR_OF_BYTE[byte]!).join('');

/** Tokens outside the byte alphabet (added tokens with spaces, say) are plain text. */
function bytesOfToken(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const char of token) {
    const byte = BYTE_OF_CHAR.get(char);
    if (byte === undefined) return Buffer.from(token, 'utf8');
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
