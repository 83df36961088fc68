// The one tokenizer of training, serving and evaluation: exact ids, with the characters each token
// covers. Built from a GGUF file's metadata; a tokenizer.json in there is taken as the better source.
import type { Span } from './added-tokens.ts';
import { assemble, type EncodeOptions } from './encoder.ts';
import { partsFromGguf } from './from-gguf.ts';
import { partsFromJson } from './from-json.ts';

export type Tokenizer = {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Every token that ends a turn or a text; sampling stops at any of them. */
  readonly stopIds: readonly number[];
  /** Whether plain text (no chat template) starts with the BOS token. `encode` never adds it. */
  readonly addBos: boolean;
  encode(text: string, options: EncodeOptions): Int32Array;
  /** `starts` and `ends` are UTF-16 offsets into `text`; a token with part of a character covers all of it. */
  encodeWithOffsets(text: string, options: EncodeOptions): Encoding;
  decode(ids: Iterable<number>, options?: { skipSpecial?: boolean }): string;
  tokenBytes(id: number): Uint8Array;
  /** Control tokens such as <|im_end|>. */
  isSpecial(id: number): boolean;
};

export type Encoding = {
  readonly ids: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
};
export type { EncodeOptions, Span };

/** Throws an Error naming what is not supported. Keys: the GGUF specification's `tokenizer.*`. */
export function tokenizerFromGguf(
  source: ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>,
): Tokenizer {
  const metadata: Readonly<Record<string, unknown>> =
    source instanceof Map ? Object.fromEntries(source) : source;
  const json = metadata['tokenizer.huggingface.json'];
  if (typeof json !== 'string') return assemble(partsFromGguf(metadata));
  const tokens = metadata['tokenizer.ggml.tokens'] as ArrayLike<string> | undefined;
  const token = (key: string) => {
    const id = metadata[key];
    return id === undefined ? undefined : tokens?.[Number(id)];
  };
  return tokenizerFromJson(JSON.parse(json), {
    bos_token: token('tokenizer.ggml.bos_token_id'),
    eos_token: token('tokenizer.ggml.eos_token_id'),
    add_bos_token: metadata['tokenizer.ggml.add_bos_token'],
  });
}

/** From the parsed tokenizer.json and tokenizer_config.json of a Hugging Face folder. */
export const tokenizerFromJson = (tokenizerJson: unknown, tokenizerConfig: unknown): Tokenizer =>
  assemble(partsFromJson(tokenizerJson, tokenizerConfig));
