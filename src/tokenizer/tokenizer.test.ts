import { Tokenizer as ReferenceTokenizer } from '@huggingface/tokenizers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { openGguf } from '../weights/gguf.ts';
import { byteLevelModel } from './byte-level.ts';
import { splitNamed } from './pre-tokenizer.ts';
import { type Tokenizer, tokenizerFromGguf, tokenizerFromJson } from './tokenizer.ts';

const CONFIG = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', add_bos_token: true };
let metadata: Record<string, unknown>;
let json: { added_tokens: unknown[]; model: { vocab: Record<string, number> } };
let tokenizer: Tokenizer;

beforeAll(async () => {
  const file = await openGguf('assets/models/stories260K.gguf');
  metadata = Object.fromEntries(file.metadata);
  await file.close();
  json = JSON.parse(String(metadata['tokenizer.huggingface.json']));
  tokenizer = tokenizerFromGguf(metadata);
});

describe('the SentencePiece tokenizer of stories260K', () => {
  test('gives the ids of an independent implementation for any text', () => {
    const reference = new ReferenceTokenizer(json, CONFIG);
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.stringMatching(/^[a-z ,.\n]{0,60}$/),
    );
    fc.assert(
      fc.property(text, (sample) => {
        expect([...tokenizer.encode(sample, { special: false })]).toEqual(
          reference.encode(sample, { add_special_tokens: false }).ids,
        );
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('decodes what it encoded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text, { special: false }))).toBe(text);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test('covers every character of the text, in order', () => {
    const text = 'The 猫 and 👩‍🚀 went home.';
    const { ids, starts, ends } = tokenizer.encodeWithOffsets(text, { special: false });
    expect(starts.length).toBe(ids.length);
    expect(ends[ends.length - 1]).toBe(text.length);
    for (let t = 1; t < ids.length; t++) expect(starts[t]).toBeLessThanOrEqual(ends[t - 1]!);
  });

  test('recognises a control token only where it is asked to', () => {
    const text = 'a</s>b';
    expect([...tokenizer.encode(text, { special: true })]).toContain(2);
    expect([...tokenizer.encode(text, { special: false })]).not.toContain(2);
    const plain = [{ start: 1, end: 5 }];
    expect([...tokenizer.encode(text, { special: true, plain })]).not.toContain(2);
  });

  test('names its end tokens and begins plain text with BOS', () => {
    expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, stopIds: [2], addBos: true });
    expect(tokenizer.isSpecial(2)).toBe(true);
  });
});

test('GGUF scores and tokenizer.json merges lead to the same ids', () => {
  const { 'tokenizer.huggingface.json': _, ...rest } = metadata;
  const fromScores = tokenizerFromGguf(rest);
  for (const text of ['Once upon a time', 'a  b', ' the\nend', 'Zoë', '<s> is text'])
    expect([...fromScores.encode(text, { special: false })], text).toEqual([
      ...tokenizer.encode(text, { special: false }),
    ]);
});

test('a pre-tokenizer that is not known is refused by name', () => {
  expect(() => splitNamed('martian')).toThrow(/'martian'.*not supported/);
  const gpt2 = { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.tokens': ['a'] };
  expect(() => tokenizerFromGguf(gpt2)).toThrow('tokenizer.ggml.pre is missing');
});

test('a kind of tokenizer that is not known is refused by name', () => {
  expect(() =>
    tokenizerFromGguf({ 'tokenizer.ggml.model': 'bert', 'tokenizer.ggml.tokens': ['a'] }),
  ).toThrow("'bert'");
  const unigram = { model: { type: 'Unigram', vocab: [['a', 0]] } };
  expect(() => tokenizerFromJson(unigram, {})).toThrow("'Unigram'");
});

test.each([
  ['smollm', 'abc 123', ['abc', ' ', '1', '2', '3']],
  ['gpt-2', "it's 123  x", ['it', "'s", ' 123', ' ', ' x']],
  ['llama-bpe', "IT'S 1234\n\nx", ['IT', "'S", ' ', '123', '4', '\n\n', 'x']],
  ['qwen2', 'a 12!\n', ['a', ' ', '1', '2', '!\n']],
])('%s cuts text where the reference does', (name, text, pieces) => {
  expect(splitNamed(name)(text)).toEqual(pieces);
});

test('a byte-level token with part of a character covers all of it', () => {
  const bytes = ['ä', '½', 'ł', 'a']; // 你 is e4 bd a0; a0 is written ł
  const model = byteLevelModel(['ä', '½', 'ł', 'a', 'ä½'], [['ä', '½']], false);
  expect(bytes.length).toBe(4);
  // Only the bytes of this text are in the vocabulary.
  expect(model.tokenize('a你a')).toEqual({
    ids: [3, 4, 2, 3],
    starts: [0, 1, 1, 2],
    ends: [1, 2, 2, 3],
  });
});

test('a word of a hundred thousand letters is no trap', () => {
  const started = performance.now();
  tokenizer.encode('ab'.repeat(50_000), { special: false });
  expect(performance.now() - started).toBeLessThan(5000);
});
