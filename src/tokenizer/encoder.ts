// Puts the parts of a tokenizer together: added tokens, normalizer, pieces, piece model; and back from
// ids to text. Where the parts come from (GGUF or tokenizer.json) is not known here.
import { type AddedToken, addedTokenFinder, type Span } from './added-tokens.ts';
import type { PieceModel, PieceTokens } from './byte-level.ts';

/** Text as the piece model sees it, and for each of its UTF-16 units the stretch of source it stands for. */
export type Normalized = {
  readonly text: string;
  readonly sourceStarts: readonly number[];
  readonly sourceEnds: readonly number[];
};

export type TokenizerParts = {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly stopIds: readonly number[];
  readonly addBos: boolean;
  readonly added: readonly AddedToken[];
  /** Null where the text is taken as it is. `isFirst`: the stretch opens the text. */
  readonly normalize: ((text: string, isFirst: boolean) => Normalized | null) | null;
  readonly split: (text: string) => readonly string[];
  readonly model: PieceModel;
  /** The decoder drops one space in front, which the normalizer put there. */
  readonly stripsLeadingSpace: boolean;
};

export type EncodeOptions = {
  /** Recognise control tokens written in the text. */
  readonly special: boolean;
  /** Spans in which they stay ordinary text all the same: what people wrote. */
  readonly plain?: readonly Span[];
};

export function assemble(parts: TokenizerParts) {
  const find = addedTokenFinder(parts.added);
  const addedById = new Map(parts.added.map((token) => [token.id, token]));
  const tokenize = cached(parts.model.tokenize);

  const encodeWithOffsets = (text: string, { special, plain = [] }: EncodeOptions) => {
    const ids: number[] = [];
    const starts: number[] = [];
    const ends: number[] = [];
    for (const part of find(text, special, plain)) {
      if (part.id !== null) {
        ids.push(part.id);
        starts.push(part.start);
        ends.push(part.end);
        continue;
      }
      const source = text.slice(part.start, part.end);
      const normalized = parts.normalize?.(source, part.start === 0) ?? null;
      let at = 0;
      for (const piece of parts.split(normalized?.text ?? source)) {
        const tokens = tokenize(piece);
        for (let i = 0; i < tokens.ids.length; i++) {
          const [start, end] = [at + tokens.starts[i]!, at + tokens.ends[i]!];
          ids.push(tokens.ids[i]!);
          starts.push(part.start + (normalized ? normalized.sourceStarts[start]! : start));
          ends.push(part.start + (normalized ? normalized.sourceEnds[end - 1]! : end));
        }
        at += piece.length;
      }
    }
    return {
      ids: Int32Array.from(ids),
      starts: Int32Array.from(starts),
      ends: Int32Array.from(ends),
    };
  };

  const tokenBytes = (id: number): Uint8Array => {
    if (!Number.isInteger(id) || id < 0 || id >= parts.vocabSize)
      throw new RangeError(`Token id ${id} is outside the vocabulary of ${parts.vocabSize}.`);
    const added = addedById.get(id);
    return added === undefined ? parts.model.bytes(id) : Buffer.from(added.content, 'utf8');
  };
  const isSpecial = (id: number) => addedById.get(id)?.control ?? false;

  const decode = (ids: Iterable<number>, { skipSpecial = false } = {}): string => {
    const chunks: Uint8Array[] = [];
    for (const id of ids) if (!(skipSpecial && isSpecial(id))) chunks.push(tokenBytes(id));
    // Bytes that are no text (a character cut in two) become U+FFFD; a leading BOM is text.
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(chunks));
    return parts.stripsLeadingSpace && text.startsWith(' ') ? text.slice(1) : text;
  };

  return {
    vocabSize: parts.vocabSize,
    bosId: parts.bosId,
    eosId: parts.eosId,
    stopIds: parts.stopIds,
    addBos: parts.addBos,
    encode: (text: string, options: EncodeOptions) => encodeWithOffsets(text, options).ids,
    encodeWithOffsets,
    decode,
    tokenBytes,
    isSpecial,
  };
}

/** Words repeat: nearly every piece of a training file has been merged before. */
function cached(tokenize: (piece: string) => PieceTokens) {
  const known = new Map<string, PieceTokens>();
  return (piece: string): PieceTokens => {
    const before = known.get(piece);
    if (before !== undefined) return before;
    const tokens = tokenize(piece);
    if (piece.length > LONGEST_CACHED) return tokens;
    if (known.size >= MOST_CACHED) known.clear();
    known.set(piece, tokens);
    return tokens;
  };
}
const LONGEST_CACHED = 64;
const MOST_CACHED = 100_000;
