// What serving needs of a GGUF file beside llama.cpp: its tokenizer and chat template. Any architecture and
// any tensor types: llama.cpp loads more models than Tunery trains.
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type GgufMetadata, readGgufMetadata } from './gguf.ts';

export type ModelVoice = {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: string | null;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
};

/** Throws GgufError, or the tokenizer's refusal, which names what it does not know. */
export async function readVoice(path: string): Promise<ModelVoice> {
  const metadata = await readGgufMetadata(path);
  const { tokenizerFromGguf } = await import('../tokenizer/tokenizer.ts');
  return { tokenizer: tokenizerFromGguf(Object.fromEntries(metadata)), ...voiceOf(metadata) };
}

/** The template and the tokens that it prints. */
export function voiceOf(metadata: GgufMetadata): Omit<ModelVoice, 'tokenizer'> {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  const token = (key: string) => {
    const id = metadata.get(`tokenizer.ggml.${key}`);
    const text = Array.isArray(tokens) && typeof id === 'number' ? tokens[id] : undefined;
    return typeof text === 'string' ? text : null;
  };
  const template = metadata.get('tokenizer.chat_template');
  return {
    chatTemplate: typeof template === 'string' ? template : null,
    bosToken: token('bos_token_id'),
    eosToken: token('eos_token_id'),
  };
}
