// The tokenizer of a Hugging Face folder as the metadata llama.cpp reads from a GGUF file.
// The raw tokenizer.json travels along: Tunery itself tokenizes with that.
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import type { GgufField } from './gguf-write.ts';
import { parseJson } from './parse-json.ts';

export class TokenizerMetadataError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('unsupported_tokenizer', message, { cause });
  }
}

/** llama.cpp's names of pre-tokenizers, by what tokenizer.json says. */
export const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

const Part: z.ZodType<Part> = z.lazy(() =>
  z.looseObject({
    type: z.string(),
    normalizers: z.array(Part).optional(),
    pretokenizers: z.array(Part).optional(),
    processors: z.array(Part).optional(),
  }),
);
type Part = {
  readonly type: string;
  readonly normalizers?: readonly Part[] | undefined;
  readonly pretokenizers?: readonly Part[] | undefined;
  readonly processors?: readonly Part[] | undefined;
  readonly [key: string]: unknown;
};
const TokenizerJson = z.looseObject({
  model: z.looseObject({
    type: z.string().default('BPE'),
    vocab: z.record(z.string(), z.int().min(0)),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).default([]),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
  }),
  added_tokens: z
    .array(z.looseObject({ id: z.int().min(0), content: z.string(), special: z.boolean() }))
    .default([]),
  normalizer: Part.nullish(),
  pre_tokenizer: Part.nullish(),
  post_processor: z.unknown(),
});
type TokenizerJson = z.infer<typeof TokenizerJson>;

export type SpecialTokens = {
  readonly bos: string | null;
  readonly eos: string | null;
  readonly pad: string | null;
  readonly addBos: boolean | null;
};

/** `text` is tokenizer.json as it is. Throws TokenizerMetadataError where llama.cpp has no like. */
export function tokenizerMetadata(
  text: string,
  vocabSize: number,
  special: SpecialTokens,
): Map<string, GgufField> {
  const json = parseJson(TokenizerJson, text, 'tokenizer.json');
  if (json.model.type !== 'BPE')
    throw new TokenizerMetadataError(
      `tokenizer.json: model type ${json.model.type} is not supported; supported is BPE.`,
    );
  const tokens = tokenList(json, vocabSize);
  const byteLevel = flatten(json.pre_tokenizer).some(({ type }) => type === 'ByteLevel');
  const merges = json.model.merges.map((pair) =>
    typeof pair === 'string' ? pair : pair.join(' '),
  );
  const fields = new Map<string, GgufField>([
    ['tokenizer.ggml.model', { type: 'string', value: byteLevel ? 'gpt2' : spellingModel(json) }],
    ['tokenizer.ggml.tokens', { type: 'string[]', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'i32[]', value: tokenTypes(json, tokens) }],
  ]);
  const set = (key: string, field: GgufField) => fields.set(`tokenizer.ggml.${key}`, field);
  if (byteLevel) {
    set('pre', { type: 'string', value: preTokenizerName(json) });
    set('merges', { type: 'string[]', value: merges });
  } else {
    set('pre', { type: 'string', value: 'default' });
    set('scores', { type: 'f32[]', value: scores(json, tokens) });
  }
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const setId = (key: string, token: string | null | undefined) => {
    if (token === null || token === undefined) return;
    const id = ids.get(token);
    if (id === undefined)
      throw new TokenizerMetadataError(`${key}: the vocabulary has no token '${token}'.`);
    set(key, { type: 'u32', value: id });
  };
  setId('bos_token_id', special.bos);
  setId('eos_token_id', special.eos);
  setId('padding_token_id', special.pad);
  setId('unknown_token_id', json.model.unk_token);
  const addBos = special.addBos ?? beginsWith(json.post_processor, special.bos);
  set('add_bos_token', { type: 'bool', value: addBos });
  set('add_eos_token', { type: 'bool', value: false });
  set('add_space_prefix', { type: 'bool', value: prependsSpace(json) });
  fields.set('tokenizer.huggingface.json', { type: 'string', value: text });
  return fields;
}

/** llama.cpp's SentencePiece BPE aborts the process at a character that is neither in the vocabulary
 *  nor has byte tokens. Its unigram tokenizer has an unknown token and, without merges, spells the
 *  same characters. */
function spellingModel(json: TokenizerJson): 'llama' | 't5' {
  if (json.model.byte_fallback) return 'llama';
  if (json.model.merges.length === 0) return 't5';
  throw new TokenizerMetadataError(
    'tokenizer.json: a SentencePiece BPE with merges and without byte_fallback is not supported by llama.cpp.',
  );
}

function tokenList(json: TokenizerJson, vocabSize: number): string[] {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(json.model.vocab)) tokens[id] = token;
  for (const { id, content } of json.added_tokens) tokens[id] = content;
  if (tokens.length > vocabSize)
    throw new TokenizerMetadataError(
      `tokenizer.json has token id ${tokens.length - 1}, the model only ${vocabSize} tokens.`,
    );
  // Models often pad their embedding to a round number of rows.
  return Array.from({ length: vocabSize }, (_, id) => tokens[id] ?? `[PAD${id}]`);
}

function tokenTypes(json: TokenizerJson, tokens: readonly string[]): number[] {
  const added = new Map(json.added_tokens.map((token) => [token.content, token]));
  return tokens.map((token, id) => {
    if (token === json.model.unk_token && added.get(token)?.special !== false)
      return TOKEN_TYPE.unknown;
    const extra = added.get(token);
    if (extra) return extra.special ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;
    if (json.model.vocab[token] !== id) return TOKEN_TYPE.unused;
    const isByte = json.model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(token);
    return isByte ? TOKEN_TYPE.byte : TOKEN_TYPE.normal;
  });
}

/** SentencePiece merges the pair whose result scores highest; the earliest merge is that one. */
function scores(json: TokenizerJson, tokens: readonly string[]): number[] {
  const rank = new Map<string, number>();
  json.model.merges.forEach((merge, i) => {
    const result = typeof merge === 'string' ? merge.replace(' ', '') : merge.join('');
    if (!rank.has(result)) rank.set(result, i);
  });
  return tokens.map((token, id) => -(rank.get(token) ?? json.model.merges.length + id));
}

function preTokenizerName(json: TokenizerJson): string {
  const parts = flatten(json.pre_tokenizer);
  const described = parts.map(({ type, ...rest }) => {
    const pattern = (rest['pattern'] as { Regex?: string } | undefined)?.Regex;
    if (type === 'ByteLevel') return rest['use_regex'] === false ? 'bytes' : 'gpt2+bytes';
    if (type === 'Digits') return rest['individual_digits'] === true ? 'digit' : 'digits';
    if (type === 'Split') return pattern === LLAMA3_PATTERN ? 'llama3' : `Split(${pattern})`;
    return type;
  });
  const known: Readonly<Record<string, string>> = {
    'digit gpt2+bytes': 'smollm',
    'gpt2+bytes': 'gpt-2',
    'llama3 bytes': 'llama-bpe',
  };
  const name = known[described.join(' ')];
  if (!name)
    throw new TokenizerMetadataError(
      `tokenizer.json: llama.cpp knows no pre-tokenizer like this one: ${described.join(', ')}. Supported are those of SmolLM, GPT-2 and Llama 3.`,
    );
  return name;
}

const flatten = (part: Part | null | undefined): readonly Part[] =>
  part ? [...(part.normalizers ?? part.pretokenizers ?? part.processors ?? [part])] : [];

const prependsSpace = (json: TokenizerJson) =>
  flatten(json.normalizer).some(({ type }) => type === 'Prepend') ||
  flatten(json.pre_tokenizer).some(
    (part) => part.type === 'Metaspace' && part['prepend_scheme'] !== 'never',
  );

/** Whether the post-processor puts `token` before a single text. */
function beginsWith(processor: unknown, token: string | null): boolean {
  const parsed = Part.safeParse(processor);
  if (!parsed.success || token === null) return false;
  return flatten(parsed.data).some((part) => {
    const single = z
      .array(z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() }))
      .safeParse(part['single']);
    return single.success && single.data[0]?.SpecialToken?.id === token;
  });
}
