// Oracle case 2: rendered text, ids and loss masks. TUNERY_ORACLE names the folder of reference values,
// TUNERY_SHARED the folder with `oracle/` and `models/`; without either, ../shared beside the repository.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../src/data/formats/chat.ts';
import { chatRow, type Voice } from '../../src/data/render.ts';
import { renderChat } from '../../src/tokenizer/template.ts';
import { tokenizerFromJson } from '../../src/tokenizer/tokenizer.ts';
import { openModel } from '../../src/weights/model-file.ts';

const SHARED = process.env['TUNERY_SHARED'] ?? '../shared';
const ORACLE = process.env['TUNERY_ORACLE'] ?? join(SHARED, 'oracle');
/** A file of a model, wherever the model's folder is; null where it is nowhere. */
const modelFile = (model: string, file: string) =>
  [join(ORACLE, '../models'), join(SHARED, 'models'), '../shared/models']
    .map((root) => join(root, model, file))
    .find(existsSync) ?? null;
const SMOLLM2 = modelFile('smollm2-135m-instruct', 'SmolLM2-135M-Instruct.Q4_1.gguf');
const CHAT = join(ORACLE, '02_template_tokenizer.json');
const SMALL = join(ORACLE, '02_tokenizer_small.json');

type Known = { text: string; ids: number[]; decoded: string };
type ChatCase = {
  chat_template: string;
  conversations: {
    name: string;
    messages: (ChatMessage & { content: string })[];
    rendered: string;
    ids: number[];
    mask: number[];
    mask_by_weight: number[];
    zeroed_message: number | null;
    mask_zeroed: number[];
    generation_prompt: string;
  }[];
  strings: (Known & { decoded_without_special: string; decoded_first_half: string })[];
};
const read = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8'));

const noChat = !existsSync(CHAT) || SMOLLM2 === null;
describe.skipIf(noChat)('SmolLM2 (needs the oracle folder and the model)', async () => {
  if (noChat) return;
  const oracle = read<ChatCase>(CHAT);
  const model = await openModel(SMOLLM2);
  const { bosToken, eosToken } = model;
  const tokenizer = await model.tokenizer();
  await model.close();
  const voice: Voice = { tokenizer, chatTemplate: oracle.chat_template, bosToken, eosToken };

  test('the template in the model file is the one of the oracle', () => {
    expect(model.chatTemplate).toBe(oracle.chat_template);
  });

  test.each(oracle.conversations.map((known) => [known.name, known] as const))(
    'conversation %j: text, ids and the three masks',
    (_, known) => {
      const unweighted = known.messages.map(({ role, content }) => ({ role, content }));
      const row = (messages: readonly ChatMessage[]) => {
        const { ids, weights } = chatRow(voice, { messages });
        return { ids: [...ids], mask: [...weights] };
      };
      const options = { bosToken, eosToken };
      const text = renderChat(oracle.chat_template, unweighted, {
        ...options,
        addGenerationPrompt: false,
      });
      expect(text.text).toBe(known.rendered);
      const asked = renderChat(oracle.chat_template, unweighted, {
        ...options,
        addGenerationPrompt: true,
      });
      expect(asked.text).toBe(known.rendered + known.generation_prompt);
      const { ids } = known;
      expect(row(unweighted)).toEqual({ ids, mask: known.mask });
      expect(row(known.messages)).toEqual({ ids, mask: known.mask_by_weight });
      const zeroed = unweighted.map((message, i) =>
        i === known.zeroed_message ? { ...message, weight: 0 as const } : message,
      );
      expect(row(zeroed)).toEqual({ ids, mask: known.mask_zeroed });
    },
  );

  test.each(oracle.strings.map((known) => [known.text, known] as const))(
    'the text %j',
    (_, known) => {
      const { text, ids } = known;
      expect([...tokenizer.encode(text, { special: true })]).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(known.decoded);
      expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(known.decoded_without_special);
      const half = ids.slice(0, Math.floor(ids.length / 2));
      expect(tokenizer.decode(half)).toBe(known.decoded_first_half);
    },
  );
});

const noSmall = !existsSync(SMALL);
describe.skipIf(noSmall)('small tokenizers (need the oracle folder)', () => {
  if (noSmall) return;
  for (const [name, texts] of Object.entries(read<Record<string, Known[]>>(SMALL))) {
    const [json, config] = ['tokenizer.json', 'tokenizer_config.json'].map((file) =>
      modelFile(name, file),
    );
    const left = json && config ? '' : ' (left out: no such model folder)';
    test.skipIf(left !== '')(`${name}${left}`, () => {
      const tokenizer = tokenizerFromJson(read(json!), read(config!));
      for (const { text, ids, decoded } of texts) {
        expect([...tokenizer.encode(text, { special: false })], text).toEqual(ids);
        expect(tokenizer.decode(ids, { skipSpecial: true }), text).toBe(decoded);
      }
    });
  }
});
