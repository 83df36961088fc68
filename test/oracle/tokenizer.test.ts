// 02: rendered templates, token ids and masks of conversations; token ids of plain strings.
import { expect, test } from 'vitest';
import { chatRow, type Voice } from '../../src/data/render.ts';
import { encodeChat } from '../../src/tokenizer/chat.ts';
import { has, lacking, modelPath, oracleFolder, readOracle, withModelFile } from './oracle.ts';

type Text = {
  text: string;
  ids: number[];
  decoded: string;
  decoded_without_special?: string;
  decoded_first_half?: string;
};
type Message = { role: string; content: string; weight?: number };
type Templates = {
  chat_template: string;
  conversations: {
    name: string;
    messages: Message[];
    rendered: string;
    ids: number[];
    mask: number[];
    mask_by_weight: number[];
    zeroed_message: number | null;
    mask_zeroed: number[];
    generation_prompt: string;
  }[];
  strings: Text[];
};

const SMOLLM2 = 'smollm2'; // the file does not name its model
const TEMPLATES = '02_template_tokenizer.json';
const SMALL = '02_tokenizer_small.json';

test.skipIf(!has(TEMPLATES) || modelPath(SMOLLM2) === null)(
  `02 ${SMOLLM2}: conversations are rendered, tokenized and masked exactly${lacking(SMOLLM2)}`,
  async () => {
    const oracle = readOracle<Templates>(TEMPLATES);
    await withModelFile(SMOLLM2, async (file) => {
      const { chatTemplate, bosToken, eosToken } = file;
      const voice: Voice = { tokenizer: await file.tokenizer(), chatTemplate, bosToken, eosToken };
      expect(chatTemplate).toBe(oracle.chat_template);
      const row = (messages: Message[]) => chatRow(voice, { messages } as never);
      const unweighted = ({ weight: _, ...message }: Message) => message;
      for (const { name, messages, ...expected } of oracle.conversations) {
        const plain = messages.map(unweighted);
        const encoded = (addGenerationPrompt: boolean) =>
          encodeChat(voice.tokenizer, oracle.chat_template, plain as never, {
            ...{ addGenerationPrompt, bosToken, eosToken },
          });
        expect(encoded(false).text, name).toBe(expected.rendered);
        expect(encoded(true).text, name).toBe(expected.rendered + expected.generation_prompt);
        expect([...row(plain).ids], name).toEqual(expected.ids);
        expect([...row(plain).weights], name).toEqual(expected.mask);
        expect([...row(messages).weights], name).toEqual(expected.mask_by_weight);
        const zeroed = plain.map((message, i) =>
          i === expected.zeroed_message ? { ...message, weight: 0 } : message,
        );
        expect([...row(zeroed).weights], name).toEqual(expected.mask_zeroed);
      }
      checkStrings(voice.tokenizer, oracle.strings);
    });
  },
);

const small = has(SMALL) ? readOracle<Record<string, Text[]>>(SMALL) : {};
for (const [model, texts] of Object.entries(small))
  test.skipIf(modelPath(model) === null)(
    `02 ${model}: strings are tokenized and decoded exactly${lacking(model)}`,
    async () => {
      await withModelFile(model, async (file) => checkStrings(await file.tokenizer(), texts));
    },
  );

for (const name of [TEMPLATES, SMALL].filter((file) => !has(file)))
  test.skip(`02: ${name} is not in ${oracleFolder}`, () => {});

type Tokenizer = Awaited<
  ReturnType<Parameters<Parameters<typeof withModelFile>[1]>[0]['tokenizer']>
>;
function checkStrings(tokenizer: Tokenizer, texts: readonly Text[]) {
  for (const { text, ids, decoded, decoded_without_special, decoded_first_half } of texts) {
    expect([...tokenizer.encode(text, { special: true })], text).toEqual(ids);
    // The small file's texts were decoded with the default of `tokenizers`: without special tokens.
    const skipSpecial = decoded_without_special === undefined;
    expect(tokenizer.decode(ids, { skipSpecial }), text).toBe(decoded);
    if (decoded_without_special !== undefined)
      expect(tokenizer.decode(ids, { skipSpecial: true }), text).toBe(decoded_without_special);
    if (decoded_first_half !== undefined)
      expect(tokenizer.decode(ids.slice(0, Math.floor(ids.length / 2))), text).toBe(
        decoded_first_half,
      );
  }
}
