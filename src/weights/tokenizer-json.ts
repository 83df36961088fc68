// tokenizer.json from the vocabulary of a GGUF file: the inverse of tokenizer-metadata.ts, for
// models that come without their tokenizer.json. Format: huggingface/tokenizers.

import type { GgufMetadata } from './gguf.ts';
import { LLAMA3_PATTERN, TOKEN_TYPE, TokenizerMetadataError } from './tokenizer-metadata.ts';

/** The text of tokenizer.json. A file that was imported from a folder still holds the original. */
export function tokenizerJson(metadata: GgufMetadata): string {
  const original = metadata.get('tokenizer.huggingface.json');
  if (typeof original === 'string') return original;
  const kind = metadata.get('tokenizer.ggml.model');
  const vocabulary = readVocabulary(metadata);
  if (kind === 'gpt2') return JSON.stringify(byteLevel(metadata, vocabulary));
  if (kind === 'llama') return JSON.stringify(sentencePiece(metadata, vocabulary));
  throw new TokenizerMetadataError(
    `tokenizer.ggml.model '${kind}' cannot be written as tokenizer.json; supported are gpt2 and llama.`,
  );
}

type Vocabulary = {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly added: readonly object[];
  readonly vocab: Readonly<Record<string, number>>;
};

function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const tokens = list<string>(metadata, 'tokens');
  const types = list<number>(metadata, 'token_type');
  const added = tokens.flatMap((content, id) => {
    const type = types[id]!;
    const special = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
    if (!special && type !== TOKEN_TYPE.userDefined) return [];
    const matching = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id, content, ...matching, special }];
  });
  const used = tokens.flatMap((token, id) =>
    types[id] === TOKEN_TYPE.unused ? [] : [[token, id] as const],
  );
  return { tokens, types, added, vocab: Object.fromEntries(used) };
}

function list<T extends string | number>(metadata: GgufMetadata, key: string): readonly T[] {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  if (!Array.isArray(value))
    throw new TokenizerMetadataError(`The GGUF file lacks tokenizer.ggml.${key}.`);
  return value;
}

function byteLevel(metadata: GgufMetadata, { added, vocab }: Vocabulary): object {
  const pre = String(metadata.get('tokenizer.ggml.pre'));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true };
  const byName: Readonly<Record<string, readonly object[]>> = {
    smollm: [
      { type: 'Digits', individual_digits: true },
      { ...bytes, use_regex: true },
    ],
    'gpt-2': [{ ...bytes, use_regex: true }],
    'llama-bpe': [
      { type: 'Split', pattern: { Regex: LLAMA3_PATTERN }, behavior: 'Isolated', invert: false },
      { ...bytes, use_regex: false },
    ],
  };
  const pretokenizers = byName[pre];
  if (!pretokenizers)
    throw new TokenizerMetadataError(
      `tokenizer.ggml.pre '${pre}' cannot be written as tokenizer.json; supported are ${Object.keys(byName).join(', ')}.`,
    );
  return {
    ...FRAME,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers },
    post_processor: bosProcessor(metadata),
    decoder: { ...bytes, add_prefix_space: true, use_regex: true },
    model: {
      ...BPE,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre === 'llama-bpe',
      vocab,
      merges: list<string>(metadata, 'merges'),
    },
  };
}

function sentencePiece(metadata: GgufMetadata, vocabulary: Vocabulary): object {
  const { tokens, types, added, vocab } = vocabulary;
  const prefix = metadata.get('tokenizer.ggml.add_space_prefix') !== false;
  const unknown = metadata.get('tokenizer.ggml.unknown_token_id');
  const space = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const toText = [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  return {
    ...FRAME,
    added_tokens: added,
    normalizer: {
      type: 'Sequence',
      normalizers: prefix ? [{ type: 'Prepend', prepend: '▁' }, space] : [space],
    },
    pre_tokenizer: null,
    post_processor: bosProcessor(metadata),
    decoder: { type: 'Sequence', decoders: prefix ? [...toText, strip] : toText },
    model: {
      ...BPE,
      unk_token: typeof unknown === 'number' ? (tokens[unknown] ?? null) : null,
      fuse_unk: true,
      byte_fallback: types.includes(TOKEN_TYPE.byte),
      ignore_merges: false,
      vocab,
      merges: mergesByScore(vocabulary, list<number>(metadata, 'scores')),
    },
  };
}

/** SentencePiece keeps no merges: any two tokens merge whose text is one, best score first. */
function mergesByScore({ tokens, types }: Vocabulary, scores: readonly number[]): string[] {
  const ids = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (types[id] === TOKEN_TYPE.normal) ids.set(token, id);
  });
  const merges: { left: string; right: string; score: number; ids: [number, number] }[] = [];
  for (const [token, id] of ids) {
    const characters = [...token];
    for (let cut = 1; cut < characters.length; cut++) {
      const left = characters.slice(0, cut).join('');
      const right = characters.slice(cut).join('');
      const [a, b] = [ids.get(left), ids.get(right)];
      if (a !== undefined && b !== undefined)
        merges.push({ left, right, score: scores[id]!, ids: [a, b] });
    }
  }
  merges.sort((x, y) => y.score - x.score || x.ids[0] - y.ids[0] || x.ids[1] - y.ids[1]);
  return merges.map(({ left, right }) => `${left} ${right}`);
}

const FRAME = { version: '1.0', truncation: null, padding: null };
const BPE = {
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
};

/** Puts the begin token before a text where the GGUF file asks for it. */
function bosProcessor(metadata: GgufMetadata): object | null {
  const id = metadata.get('tokenizer.ggml.bos_token_id');
  // llama.cpp: SentencePiece models begin with BOS unless the file says otherwise.
  const byDefault = metadata.get('tokenizer.ggml.model') === 'llama';
  const wanted = metadata.get('tokenizer.ggml.add_bos_token') ?? byDefault;
  if (wanted !== true || typeof id !== 'number') return null;
  const token = list<string>(metadata, 'tokens')[id]!;
  const bos = { SpecialToken: { id: token, type_id: 0 } };
  const text = (name: string, type_id: number) => ({ Sequence: { id: name, type_id } });
  return {
    type: 'TemplateProcessing',
    single: [bos, text('A', 0)],
    pair: [bos, text('A', 0), text('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}
