import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { beforeEach, expect, test } from 'vitest';
import { readPeftAdapter } from '../../weights/adapter.ts';
import { openModel } from '../../weights/model-file.ts';
import type { ExportRequest, WorkerMessage } from '../protocol.ts';
import { exportModel } from './export.ts';

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const baseModel = file('assets/models/stories260K.gguf');
const fixture = (name: string) => file(`test/fixtures/peft/${name}`);
// A Python with torch, transformers and peft; the tests that ask them need it.
const python = process.env['TUNERY_PYTHON'];
type Expected = { ids: number[][]; adapters: Record<string, { loss: Record<string, number> }> };
const expected: Expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8'));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tunery-export-'));
});

async function run(request: Partial<ExportRequest>): Promise<WorkerMessage> {
  const output = join(folder, 'out');
  const whole = {
    baseModel,
    adapter: fixture('lora'),
    format: 'merged',
    output,
    ...request,
  } as const;
  const messages: WorkerMessage[] = [];
  for await (const message of exportModel(whole)) messages.push(message);
  return messages.at(-1)!;
}

test('a merged export is a whole Hugging Face folder', async () => {
  const files = [
    'config.json',
    'generation_config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ];
  expect(await run({})).toEqual({ type: 'result', value: { path: join(folder, 'out'), files } });
  expect(readdirSync(folder)).toEqual(['out']);
  const model = await openModel(join(folder, 'out'));
  const base = await openModel(baseModel);
  expect(model.config).toEqual(base.config);
  const name = 'model.layers.0.mlp.up_proj.weight';
  expect(await model.tensor(name)).not.toEqual(await base.tensor(name));
  await model.close();
  await base.close();
});

test('a PEFT export holds the adapter unchanged', async () => {
  await run({ format: 'peft', adapter: fixture('rslora') });
  expect(await readPeftAdapter(join(folder, 'out'))).toEqual(
    await readPeftAdapter(fixture('rslora')),
  );
});

test.each(['lora', 'rslora'])(
  "llama.cpp with the GGUF export of %s has the loss of PEFT's model",
  async (name) => {
    const output = join(folder, 'out');
    expect(await run({ format: 'gguf-adapter', adapter: fixture(name), output })).toEqual({
      type: 'result',
      value: { path: output, files: ['adapter.gguf'] },
    });
    for (const scale of [1, 0.5] as const) {
      const loss = await llamaLoss(join(output, 'adapter.gguf'), scale);
      const want = expected.adapters[name]!.loss[scale.toFixed(1)]!;
      expect(Math.abs(loss - want), `scale ${scale}`).toBeLessThan(5e-5);
    }
  },
);

/** Mean cross-entropy over the expected ids, by llama.cpp in 32 bits. */
async function llamaLoss(adapter: string, scale: number): Promise<number> {
  const level = LlamaLogLevel.error;
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: level, maxThreads: 1 });
  const model = await llama.loadModel({ modelPath: baseModel });
  const context = await model.createContext({
    contextSize: 64,
    flashAttention: false, // with it, or with keys and values in 16 bits, errors reach 1e-3
    experimentalKvCacheKeyType: 'F32',
    experimentalKvCacheValueType: 'F32',
    lora: { adapters: [{ filePath: adapter, scale }] },
  });
  const sequence = context.getSequence();
  const options = { temperature: 1, topK: 0, topP: 1, minP: 0 };
  const losses: number[] = [];
  for (const ids of expected.ids) {
    await sequence.clearHistory();
    const steps = await sequence.controlledEvaluate(
      ids.map((id) => [id as never, { generateNext: { probabilities: true, options } }]),
    );
    for (const [i, next] of ids.slice(1).entries())
      losses.push(-Math.log(steps[i]!.next.probabilities!.get(next as never)!));
  }
  await llama.dispose();
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

const SCRIPT = `
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
request = json.loads(sys.argv[1])
model, info = AutoModelForCausalLM.from_pretrained(request["model"], output_loading_info=True)
if "adapter" in request:
    from peft import PeftModel
    model = PeftModel.from_pretrained(model, request["adapter"])
tokenizer = AutoTokenizer.from_pretrained(request["model"])
ids = torch.tensor(request["ids"])
with torch.no_grad():
    loss = model(ids, labels=ids).loss.item()
print(json.dumps({
    "loss": loss,
    "missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"]),
    "encoded": [tokenizer.encode(text) for text in request["texts"]],
    "eos": tokenizer.eos_token_id,
}))`;

const TEXTS = ['Once upon a time', '  two  spaces', 'a\nb', 'é 日本 👍', ''];
function askTransformers(request: { model: string; adapter?: string }) {
  const argument = JSON.stringify({ ...request, ids: expected.ids, texts: TEXTS });
  return JSON.parse(execFileSync(python!, ['-c', SCRIPT, argument], { encoding: 'utf8' }));
}

test.skipIf(!python).each(['lora', 'rslora'])(
  'transformers loads the merged export of %s and agrees (needs TUNERY_PYTHON)',
  { timeout: 120_000 },
  async (name) => {
    await run({ adapter: fixture(name) });
    const answer = askTransformers({ model: join(folder, 'out') });
    expect(answer).toMatchObject({ missing: [], unexpected: [], eos: 2 });
    expect(answer.loss).toBeCloseTo(expected.adapters[name]!.loss['1.0']!, 4);
    const base = await openModel(baseModel);
    const tokenizer = await base.tokenizer();
    expect(answer.encoded).toEqual(
      TEXTS.map((text) => [tokenizer.bosId, ...tokenizer.encode(text, { special: true })]),
    );
    await base.close();
  },
);

test.skipIf(!python)(
  'PEFT loads the PEFT export on top of an exported base (needs TUNERY_PYTHON)',
  { timeout: 120_000 },
  async () => {
    const adapter = join(folder, 'adapter');
    await run({ format: 'peft', adapter: fixture('rslora'), output: adapter });
    const model = join(folder, 'base');
    await run({ adapter: zeroAdapter(), output: model });
    const { loss } = askTransformers({ model, adapter });
    expect(loss).toBeCloseTo(expected.adapters['rslora']!.loss['1.0']!, 4);
  },
);

/** An adapter of alpha 0 changes nothing: merging it exports the base model. */
function zeroAdapter(): string {
  const zero = join(folder, 'zero');
  mkdirSync(zero);
  const config = JSON.parse(readFileSync(join(fixture('lora'), 'adapter_config.json'), 'utf8'));
  writeFileSync(join(zero, 'adapter_config.json'), JSON.stringify({ ...config, lora_alpha: 0 }));
  const weights = readFileSync(join(fixture('lora'), 'adapter_model.safetensors'));
  writeFileSync(join(zero, 'adapter_model.safetensors'), weights);
  return zero;
}

test.each(['peft', 'merged', 'gguf-adapter'] as const)(
  'an export as %s never replaces what is there',
  async (format) => {
    const output = join(folder, 'mine');
    mkdirSync(output);
    writeFileSync(join(output, 'thesis.txt'), 'work of years');
    expect(await run({ format, output })).toMatchObject({
      type: 'fail',
      code: 'output_exists',
      param: 'output',
      message: expect.stringContaining('exists and is not empty'),
    });
    expect(readdirSync(output)).toEqual(['thesis.txt']);
  },
);

test('an empty folder is filled', async () => {
  const output = join(folder, 'empty');
  mkdirSync(output);
  expect(await run({ format: 'peft', output })).toMatchObject({ type: 'result' });
});

test('an adapter that is none fails with a sentence and leaves nothing', async () => {
  expect(await run({ adapter: fixture('dora') })).toMatchObject({
    type: 'fail',
    code: 'invalid_adapter',
    message: expect.stringContaining('use_dora true is not supported'),
  });
  expect(await run({ adapter: join(folder, 'nowhere') })).toMatchObject({
    code: 'invalid_adapter',
  });
  expect(readdirSync(folder)).toEqual([]);
});

test.skipIf(process.platform === 'win32')(
  'a write that the system cuts short fails with a sentence and leaves nothing',
  () => {
    // `ulimit -f` bounds the size of a file, as a full disk does: 200 blocks are less than the model.
    const script = `
    import { exportModel } from ${JSON.stringify(file('src/jobs/work/export.ts'))};
    const request = ${JSON.stringify({ baseModel, adapter: fixture('lora'), format: 'merged', output: join(folder, 'out') })};
    for await (const message of exportModel(request)) console.log(JSON.stringify(message));`;
    const command = 'ulimit -f 200 && exec "$0" --input-type=module -e "$1"';
    const lines = execFileSync('sh', ['-c', command, process.execPath, script], {
      encoding: 'utf8',
    });
    expect(JSON.parse(lines.trim().split('\n').at(-1)!)).toMatchObject({
      type: 'fail',
      code: 'file_too_large',
      message: expect.stringContaining('nothing was kept'),
    });
    expect(readdirSync(folder)).toEqual([]);
  },
);
