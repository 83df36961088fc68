// Reads a Hugging Face tokenizer.json into the parts of a tokenizer. What it does not know (Unigram,
// WordPiece, unusual normalizers) it refuses by name: a nearly right tokenizer spoils a training run.
import { z } from 'zod';
import type { AddedToken } from './added-tokens.ts';
import { byteLevelModel } from './byte-level.ts';
import type { TokenizerParts } from './encoder.ts';
import { mergePair, wordSplit } from './from-gguf.ts';
import { composeCharacters, spacesToUnderscores } from './normalizer.ts';
import { gpt2Split, splitByPatterns } from './pre-tokenizer.ts';
import { SPACE, sentencePieceModel } from './sentencepiece.ts';
import { stopTokenIds } from './stop-tokens.ts';

type Step = { type: string; [key: string]: unknown };
const Step: z.ZodType<Step> = z.looseObject({ type: z.string() });

const ModelKind = z.looseObject({ type: z.string().default('BPE') });

const TokenizerJson = z.looseObject({
  added_tokens: z
    .array(
      z.looseObject({
        id: z.int(),
        content: z.string(),
        single_word: z.boolean().default(false),
        lstrip: z.boolean().default(false),
        rstrip: z.boolean().default(false),
        special: z.boolean().default(false),
      }),
    )
    .default([]),
  normalizer: Step.nullish(),
  pre_tokenizer: Step.nullish(),
  post_processor: z.unknown().optional(),
  decoder: Step.nullish(),
  model: z.looseObject({
    vocab: z.record(z.string(), z.int()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).default([]),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().default(false),
    fuse_unk: z.boolean().default(false),
    ignore_merges: z.boolean().default(false),
  }),
});
type TokenizerJson = z.infer<typeof TokenizerJson>;

const TokenName = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();
const TokenizerConfig = z.looseObject({
  bos_token: TokenName,
  eos_token: TokenName,
  add_bos_token: z.boolean().nullish(),
});

export function partsFromJson(tokenizerJson: unknown, tokenizerConfig: unknown): TokenizerParts {
  // Other kinds have other vocabularies, so the kind is asked for first.
  const kind = z.looseObject({ model: ModelKind }).parse(tokenizerJson).model.type;
  if (kind !== 'BPE') throw unsupported('model', kind);
  const json = TokenizerJson.parse(tokenizerJson);
  const config = TokenizerConfig.parse(tokenizerConfig ?? {});
  const added: AddedToken[] = json.added_tokens.map((token) => {
    if (token.single_word) throw unsupported('added token with single_word', token.content);
    const { id, content, lstrip, rstrip } = token;
    return { id, content, control: token.special, lstrip, rstrip };
  });
  const tokens = tokenList(json);
  const idOf = (name: z.infer<typeof TokenName>) => {
    const content = typeof name === 'string' ? name : name?.content;
    const id = content === undefined ? -1 : tokens.indexOf(content);
    return id < 0 ? null : id;
  };
  const bosId = idOf(config.bos_token);
  const eosId = idOf(config.eos_token);
  const addsBos = config.add_bos_token ?? postProcessorAdds(json, bosId);
  return {
    vocabSize: tokens.length,
    bosId,
    eosId,
    stopIds: stopTokenIds([eosId], added),
    addBos: addsBos && bosId !== null,
    added,
    ...(isByteLevel(json) ? byteLevelParts(json, tokens) : sentencePieceParts(json, tokens)),
  };
}

const unsupported = (what: string, name: string) =>
  new Error(`This model's tokenizer.json has a ${what} that is not supported: '${name}'.`);

function tokenList(json: TokenizerJson): string[] {
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(json.model.vocab)) tokens[id] = token;
  for (const { id, content } of json.added_tokens) tokens[id] = content;
  // Holes in the numbering are ids no text ever gets.
  return Array.from(tokens, (token) => token ?? '');
}

/** Sequences flattened. */
function steps(step: Step | null | undefined): Step[] {
  if (step === null || step === undefined) return [];
  const inner = step['normalizers'] ?? step['pretokenizers'] ?? step['decoders'];
  return step.type === 'Sequence' ? z.array(Step).parse(inner).flatMap(steps) : [step];
}

const isByteLevel = (json: TokenizerJson) =>
  steps(json.pre_tokenizer).some(({ type }) => type === 'ByteLevel');

function byteLevelParts(json: TokenizerJson, tokens: readonly string[]) {
  const normalizers = steps(json.normalizer);
  const strange = normalizers.find(({ type }) => type !== 'NFC');
  if (strange !== undefined) throw unsupported('normalizer', strange.type);
  const splits = steps(json.pre_tokenizer).flatMap((step) => {
    if (step.type === 'Digits')
      return [splitByPatterns([step['individual_digits'] === true ? '\\p{N}' : '\\p{N}+'])];
    if (step.type === 'Split') return [splitByPatterns([splitPattern(step)])];
    if (step.type !== 'ByteLevel') throw unsupported('pre-tokenizer', step.type);
    if (step['add_prefix_space'] === true) throw unsupported('pre-tokenizer', 'add_prefix_space');
    return step['use_regex'] === false ? [] : [gpt2Split()];
  });
  return {
    normalize: normalizers.length > 0 ? composeCharacters : null,
    split: (text: string) =>
      splits.reduce((pieces, split) => pieces.flatMap(split), text === '' ? [] : [text]),
    model: byteLevelModel(tokens, merges(json), json.model.ignore_merges),
    stripsLeadingSpace: false,
  };
}

function splitPattern(step: Step): string {
  const pattern = z
    .union([z.strictObject({ Regex: z.string() }), z.strictObject({ String: z.string() })])
    .parse(step['pattern']);
  if (step['behavior'] !== 'Isolated' || step['invert'] === true)
    throw unsupported('pre-tokenizer', `Split, behavior ${String(step['behavior'])}`);
  if ('Regex' in pattern) return pattern.Regex;
  return pattern.String.replaceAll(/[\^$\\.*+?()[\]{}|/]/g, '\\$&');
}

const merges = (json: TokenizerJson) =>
  json.model.merges.map((merge) => (typeof merge === 'string' ? mergePair(merge) : merge));

function sentencePieceParts(json: TokenizerJson, tokens: readonly string[]) {
  const ranks = new Map(
    merges(json).map(([left, right], priority) => [`${left} ${right}`, priority] as const),
  );
  const unknown = json.model.unk_token;
  return {
    normalize: underscoreNormalizer(json),
    split: wordSplit(tokens),
    model: sentencePieceModel({
      tokens,
      pairOf: (left, right) => {
        const priority = ranks.get(`${left} ${right}`);
        return priority === undefined ? undefined : { token: left + right, priority };
      },
      byteFallback: json.model.byte_fallback,
      unknownId: typeof unknown === 'string' ? (json.model.vocab[unknown] ?? null) : null,
      fuseUnknown: json.model.fuse_unk,
    }),
    stripsLeadingSpace: steps(json.decoder).some(
      (step) => step.type === 'Strip' || (step.type === 'Metaspace' && prefixOf(step) !== 'never'),
    ),
  };
}

/** Two spellings: Prepend and Replace as normalizers, or a Metaspace pre-tokenizer. */
function underscoreNormalizer(json: TokenizerJson) {
  const normalizers = steps(json.normalizer);
  const preTokenizers = steps(json.pre_tokenizer);
  const [metaspace, ...rest] = preTokenizers;
  if (metaspace !== undefined && (metaspace.type !== 'Metaspace' || rest.length > 0))
    throw unsupported('pre-tokenizer', preTokenizers.map(({ type }) => type).join(', '));
  const strange = normalizers.find(
    (step) => !(isPrepend(step) || isReplace(step)) || metaspace !== undefined,
  );
  if (strange !== undefined) throw unsupported('normalizer', strange.type);
  if (metaspace !== undefined) {
    if (metaspace['split'] !== false) throw unsupported('pre-tokenizer', 'Metaspace, split true');
    return spacesToUnderscores(prefixOf(metaspace), true);
  }
  if (!normalizers.some(isReplace)) throw unsupported('normalizer', 'none');
  return spacesToUnderscores(normalizers.some(isPrepend) ? 'always' : 'never', false);
}

const isPrepend = (step: Step) => step.type === 'Prepend' && step['prepend'] === SPACE;
const isReplace = (step: Step) =>
  step.type === 'Replace' &&
  step['content'] === SPACE &&
  JSON.stringify(step['pattern']) === '{"String":" "}';

function prefixOf(step: Step): 'first' | 'always' | 'never' {
  const scheme =
    step['prepend_scheme'] ?? (step['add_prefix_space'] === false ? 'never' : 'always');
  if (scheme === 'first' || scheme === 'always' || scheme === 'never') return scheme;
  throw unsupported('Metaspace prepend_scheme', String(scheme));
}

/** Whether the post-processor (TemplateProcessing) puts the BOS token in front. */
function postProcessorAdds(json: TokenizerJson, bosId: number | null): boolean {
  if (bosId === null) return false;
  const find = (step: unknown): boolean => {
    const parsed = z
      .looseObject({
        type: z.string(),
        processors: z.array(z.unknown()).optional(),
        single: z.array(z.looseObject({})).optional(),
        special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })).optional(),
      })
      .safeParse(step).data;
    if (parsed === undefined) return false;
    if (parsed.type === 'Sequence') return (parsed.processors ?? []).some(find);
    if (parsed.type !== 'TemplateProcessing') return false;
    const first = z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }) });
    const name = first.safeParse(parsed.single?.[0]).data?.SpecialToken.id;
    return name !== undefined && parsed.special_tokens?.[name]?.ids[0] === bosId;
  };
  return find(json.post_processor);
}
