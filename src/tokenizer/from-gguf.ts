// Reads the vocabulary of a GGUF file (keys `tokenizer.ggml.*`) into the parts of a tokenizer.
import type { AddedToken } from './added-tokens.ts';
import { byteLevelModel } from './byte-level.ts';
import type { TokenizerParts } from './encoder.ts';
import { composeCharacters, spacesToUnderscores } from './normalizer.ts';
import { composes, ignoresMerges, splitNamed } from './pre-tokenizer.ts';
import { SPACE, sentencePieceModel, wordsAreIndependent } from './sentencepiece.ts';
import { stopTokenIds } from './stop-tokens.ts';

type Metadata = Readonly<Record<string, unknown>>;

export function partsFromGguf(metadata: Metadata): TokenizerParts {
  const kind = metadata['tokenizer.ggml.model'];
  const tokens = list<string>(metadata, 'tokenizer.ggml.tokens');
  if (tokens === null)
    throw new Error('This GGUF file holds no tokenizer (tokenizer.ggml.tokens is missing).');
  const types = list<number>(metadata, 'tokenizer.ggml.token_type') ?? tokens.map(() => NORMAL);
  const added = addedTokens(tokens, types);
  const bosId = tokenId(metadata, 'bos');
  const eosId = tokenId(metadata, 'eos');
  const ends = [eosId, tokenId(metadata, 'eot'), tokenId(metadata, 'eom')];
  const common = {
    vocabSize: tokens.length,
    bosId,
    eosId,
    stopIds: stopTokenIds(ends, added),
    added,
  };
  const addBos = metadata['tokenizer.ggml.add_bos_token'];
  if (kind === 'gpt2')
    return {
      ...common,
      ...byteLevelParts(metadata, tokens),
      addBos: addBos === true && bosId !== null,
    };
  if (kind === 'llama')
    // llama.cpp: SentencePiece models begin with BOS unless the file says otherwise.
    return {
      ...common,
      ...sentencePieceParts(metadata, tokens, types),
      addBos: addBos !== false && bosId !== null,
    };
  throw new Error(
    `This model's tokenizer '${String(kind)}' (tokenizer.ggml.model) is not supported. Supported: gpt2, llama.`,
  );
}

function byteLevelParts(metadata: Metadata, tokens: readonly string[]) {
  const pre = metadata['tokenizer.ggml.pre'];
  if (typeof pre !== 'string')
    throw new Error(
      'This GGUF file does not name its pre-tokenizer (tokenizer.ggml.pre is missing); ' +
        'convert the model again with a current converter.',
    );
  const merges = list<string>(metadata, 'tokenizer.ggml.merges');
  if (merges === null)
    throw new Error('This GGUF file holds no merges (tokenizer.ggml.merges is missing).');
  return {
    normalize: composes(pre) ? composeCharacters : null,
    split: splitNamed(pre),
    model: byteLevelModel(tokens, merges.map(mergePair), ignoresMerges(pre)),
    stripsLeadingSpace: false,
  };
}

/** "left right"; a token never begins with a space, but may (rarely) be one. */
export function mergePair(merge: string): readonly [string, string] {
  const space = merge.indexOf(' ', 1);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

function sentencePieceParts(
  metadata: Metadata,
  tokens: readonly string[],
  types: readonly number[],
) {
  const scores = list<number>(metadata, 'tokenizer.ggml.scores');
  if (scores === null)
    throw new Error('This GGUF file holds no token scores (tokenizer.ggml.scores is missing).');
  const scoreOf = new Map(tokens.map((token, id) => [token, scores[id]!]));
  const prefix = metadata['tokenizer.ggml.add_space_prefix'] !== false;
  return {
    normalize: spacesToUnderscores(prefix ? 'always' : 'never', false),
    split: wordSplit(tokens),
    model: sentencePieceModel({
      tokens,
      pairOf: (left, right) => {
        const score = scoreOf.get(left + right);
        return score === undefined ? undefined : { token: left + right, priority: -score };
      },
      byteFallback: types.includes(BYTE),
      unknownId: tokenId(metadata, 'unknown') ?? indexOrNull(types, UNKNOWN),
      fuseUnknown: false,
    }),
    stripsLeadingSpace: prefix,
  };
}

export const wordSplit = (tokens: readonly string[]) =>
  wordsAreIndependent(tokens)
    ? (text: string) => text.split(BEFORE_WORD)
    : (text: string) => (text === '' ? [] : [text]);
const BEFORE_WORD = new RegExp(`(?<=[^${SPACE}])(?=${SPACE})`, 'u');

// Values of tokenizer.ggml.token_type (gguf.TokenType).
const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE] = [1, 2, 3, 4, 6] as const;

function addedTokens(tokens: readonly string[], types: readonly number[]): AddedToken[] {
  return tokens.flatMap((content, id) => {
    const type = types[id];
    if ((type !== CONTROL && type !== USER_DEFINED) || content === '') return [];
    return [{ id, content, control: type === CONTROL, lstrip: false, rstrip: false }];
  });
}

function list<T>(metadata: Metadata, key: string): T[] | null {
  const value = metadata[key] as ArrayLike<T> | undefined;
  return value === undefined ? null : Array.from(value);
}

function tokenId(metadata: Metadata, name: string): number | null {
  const value = metadata[`tokenizer.ggml.${name}_token_id`];
  return value === undefined || value === null ? null : Number(value);
}

const indexOrNull = (types: readonly number[], type: number) => {
  const at = types.indexOf(type);
  return at < 0 ? null : at;
};
