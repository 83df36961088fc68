import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { beforeEach, expect, test } from 'vitest';
import { openModel } from '../../weights/model-file.ts';
import type { WorkerMessage } from '../protocol.ts';
import { exportModel } from './export.ts';
import { importModel } from './import-model.ts';

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const bundled = file('assets/models/stories260K.gguf');
// Real models and oracle numbers lie beside the repository: TUNERY_SHARED, or ../shared.
const shared = process.env['TUNERY_SHARED'] ?? file('../shared');
const absent = !existsSync(join(shared, 'oracle'));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-import-'));
});

async function last(messages: AsyncIterable<WorkerMessage>): Promise<WorkerMessage> {
  const all: WorkerMessage[] = [];
  for await (const message of messages) all.push(message);
  return all.at(-1)!;
}

test.skipIf(absent).each([
  ['stories260K', 260_032, 512],
  ['babyllama-tok105', 936_448, 256],
])(
  '%s, imported, computes in llama.cpp what the oracle says (needs shared/)',
  async (name, parameters, contextLength) => {
    const output = join(folder, `${name}.gguf`);
    const source = join(shared, 'models', name);
    expect(await last(importModel({ source, output }))).toEqual({
      type: 'result',
      value: { path: output, architecture: 'llama', parameters, contextLength },
    });
    const oracle = JSON.parse(
      readFileSync(join(shared, 'oracle', `01_forward_${name}.json`), 'utf8'),
    );
    await agreesWithOracle(output, oracle);
  },
);

test('the bundled model computes in llama.cpp what the oracle says', async () => {
  const fixture = file('test/fixtures/gguf/stories260K-forward.json');
  await agreesWithOracle(bundled, JSON.parse(readFileSync(fixture, 'utf8')));
});

type Oracle = {
  prompts: {
    ids: number[];
    token_logprobs: number[];
    top20_ids: number[];
    top20_logits: number[];
  }[];
};

async function agreesWithOracle(modelPath: string, { prompts }: Oracle): Promise<void> {
  const level = LlamaLogLevel.error;
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: level, maxThreads: 1 });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize: 256,
    flashAttention: false, // with it, or with keys and values in 16 bits, errors reach 1e-2
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
  });
  const sequence = context.getSequence();
  const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  for (const { ids, token_logprobs, top20_ids, top20_logits } of prompts) {
    await sequence.clearHistory();
    const steps = await sequence.controlledEvaluate(
      ids.map((id) => [id as never, { generateNext: { probabilities: true, options } }]),
    );
    const logProb = (at: number, id: number) =>
      Math.log(steps[at]!.next.probabilities!.get(id as never)!);
    token_logprobs.forEach((want, i) => {
      expect(Math.abs(logProb(i, ids[i + 1]!) - want)).toBeLessThan(2e-4);
    });
    const [best, ...others] = top20_ids;
    others.forEach((id, i) => {
      const gap = logProb(ids.length - 1, best!) - logProb(ids.length - 1, id);
      expect(Math.abs(gap - (top20_logits[0]! - top20_logits[i + 1]!))).toBeLessThan(4e-4);
    });
  }
  await llama.dispose();
}

/** A Hugging Face folder of the bundled model, made by exporting it. */
async function huggingFaceFolder(): Promise<string> {
  const output = join(folder, 'hf');
  const adapter = file('test/fixtures/peft/lora');
  await last(exportModel({ baseModel: bundled, adapter, format: 'merged', output }));
  return output;
}
const change = (path: string, edit: (json: Record<string, unknown>) => object) =>
  writeFileSync(path, JSON.stringify(edit(JSON.parse(readFileSync(path, 'utf8')))));

test('tokenizer.json and chat template travel with the model', async () => {
  const source = await huggingFaceFolder();
  const chat_template = '{% for m in messages %}{{ m.content }}{% endfor %}';
  change(join(source, 'tokenizer_config.json'), (json) => ({ ...json, chat_template }));
  const output = join(folder, 'model.gguf');
  await last(importModel({ source, output }));
  const model = await openModel(output);
  expect(model.chatTemplate).toBe(chat_template);
  expect(model.metadata.get('tokenizer.huggingface.json')).toBe(
    readFileSync(join(source, 'tokenizer.json'), 'utf8'),
  );
  expect(model.metadata.get('tokenizer.ggml.add_bos_token')).toBe(true);
  await model.close();
});

test.each([
  ['config.json', { attention_bias: true }, 'unsupported_model', 'attention_bias true'],
  ['config.json', { model_type: 'gemma3' }, 'unsupported_model', "Architecture 'gemma3'"],
  ['tokenizer.json', { model: { type: 'Unigram', vocab: {} } }, 'unsupported_tokenizer', 'Unigram'],
  [
    'tokenizer.json',
    { pre_tokenizer: { type: 'ByteLevel', use_regex: false } },
    'unsupported_tokenizer',
    'llama.cpp knows no pre-tokenizer',
  ],
  ['tokenizer.json', { model: 5 }, 'invalid_json', 'tokenizer.json: model'],
  ['tokenizer_config.json', { eos_token: '<end>' }, 'unsupported_tokenizer', "no token '<end>'"],
])('%s with %o is refused by name, and no file is written', async (name, edit, code, message) => {
  const source = await huggingFaceFolder();
  change(join(source, name), (json) => ({ ...json, ...edit }));
  const output = join(folder, 'model.gguf');
  expect(await last(importModel({ source, output }))).toMatchObject({
    type: 'fail',
    code,
    message: expect.stringContaining(message),
  });
  expect(readdirSync(folder)).toEqual(['hf']);
});

test('an existing file is not replaced', async () => {
  const output = join(folder, 'model.gguf');
  cpSync(bundled, output);
  const source = await huggingFaceFolder();
  expect(await last(importModel({ source, output }))).toMatchObject({ code: 'output_exists' });
  expect(readFileSync(output)).toEqual(readFileSync(bundled));
});
