// llama.cpp runs more models than Tunery trains: such a GGUF file answers too.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openGguf } from '../weights/gguf.ts';
import { type GgufField, writeGguf } from '../weights/gguf-write.ts';
import { Hosts } from './client.ts';

const LLAMA = 'assets/models/stories260K.gguf';
const hosts = new Hosts({ memoryBytes: 4e9, host: { contextLength: 128 } });
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tunery-families-'));
});
afterAll(async () => {
  await hosts.close();
  await rm(directory, { recursive: true, force: true });
});

/** The tiny model as a Granite: the same arithmetic, with four scales that change nothing. */
async function asGranite(): Promise<string> {
  const path = join(directory, 'granite.gguf');
  const file = await openGguf(LLAMA);
  const fields = new Map<string, GgufField>();
  for (const [key, value] of file.metadata)
    fields.set(key.replace(/^llama\./, 'granite.'), fieldOf(key, value));
  fields.set('general.architecture', { type: 'string', value: 'granite' });
  const headSize = 8;
  const scales = { embedding_scale: 1, residual_scale: 1, logit_scale: 1 };
  for (const [name, value] of Object.entries({ ...scales, 'attention.scale': headSize ** -0.5 }))
    fields.set(`granite.${name}`, { type: 'f32', value });
  const tensors = [...file.tensors.values()].map(({ name, shape, type }) => ({
    ...{ name, shape, type },
    bytes: () => file.bytes(name),
  }));
  await writeGguf(path, fields, tensors);
  await file.close();
  return path;
}

function fieldOf(key: string, value: unknown): GgufField {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'number')
    return { type: Number.isInteger(value) && !/eps|freq|scale/.test(key) ? 'u32' : 'f32', value };
  const list = value as string[] | number[];
  if (typeof list[0] === 'string') return { type: 'string[]', value: list as string[] };
  return { type: key.endsWith('scores') ? 'f32[]' : 'i32[]', value: list as number[] };
}

async function told(model: string): Promise<string> {
  const request = { adapter: null, maxTokens: 12, temperature: 0, topP: 1, seed: 1, stop: [] };
  const prompt = { kind: 'text', text: 'Once upon a time' } as const;
  let text = '';
  for await (const event of hosts.sample(model, { ...request, prompt, logprobs: null }))
    if (event.type === 'piece') text += event.text;
  return text;
}

test('a model of an architecture that is not trained here answers and embeds as llama.cpp runs it', async () => {
  const text = await told(LLAMA);
  expect(text.length).toBeGreaterThan(10);
  const granite = await asGranite();
  expect(await told(granite)).toBe(text);
  const embedded = { adapter: null, prompt: { kind: 'text', text: 'a dog' } } as const;
  const [ours, theirs] = await Promise.all(
    [LLAMA, granite].map(async (model) => (await hosts.embed(model, embedded)).vector),
  );
  expect(theirs).toEqual(ours);
});
