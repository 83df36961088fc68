// Entry of a model host, the child that holds one base model: `host.ts MODEL.gguf OPTIONS`.

import { connectParent } from '../lib/child.ts';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import { DamagedGguf, openGguf } from '../weights/gguf.ts';
import { readVoice } from '../weights/voice.ts';
import { Llama } from './llama.ts';
import { Prompts } from './prompt.ts';
import {
  type EmbedRequest,
  type FromHost,
  HostOptions,
  type SampleRequest,
  ToHost,
} from './protocol.ts';
import { sample } from './sample.ts';

const parent = connectParent<ToHost, FromHost>((raw) => ToHost.parse(raw));
const running = new Map<string, AbortController>();

const [path = '', options = '{}'] = process.argv.slice(2);
try {
  const [llama, prompts] = await Promise.all([
    Llama.load(path, HostOptions.parse(JSON.parse(options))),
    readVoice(path).then((voice) => new Prompts(voice.tokenizer, voice.chatTemplate, voice)),
  ]);
  parent.onMessage((message) => void handle(message, llama, prompts));
  const { contextLength, memoryBytes } = llama;
  await parent.send({ type: 'ready', contextLength, memoryBytes });
} catch (error) {
  const { code, message: reason } = coded(await faultOf(error), 'model_load_failed');
  await parent.send({ type: 'failed', code, message: say('refusal.load', { path, reason }) });
  process.exit(1);
}

/** llama.cpp says that it failed, not why: our own reader may know. */
async function faultOf(error: unknown): Promise<unknown> {
  if (error instanceof CodedError) return error;
  try {
    await (await openGguf(path)).close();
  } catch (fault) {
    if (fault instanceof DamagedGguf) return fault;
  }
  const cause = error instanceof Error ? error.message : String(error);
  return new Error(say('refusal.load_unknown', { cause }));
}

async function handle(message: ToHost, llama: Llama, prompts: Prompts): Promise<void> {
  if (message.type === 'cancel') {
    running.get(message.id)?.abort();
    return;
  }
  const { request } = message;
  const abort = new AbortController();
  running.set(request.id, abort);
  try {
    if (message.type === 'sample') await answer(message.request, llama, prompts, abort.signal);
    else if (message.type === 'embed') await embed(message.request, llama, prompts, abort.signal);
    else {
      const { id, tokens, adapter } = message.request;
      prompts.checkTokens(tokens, llama.contextLength, 'tokens');
      const scores = await llama.score(tokens, adapter, abort.signal);
      const logProbs = scores.map(({ chosen }) => chosen);
      await parent.send({ type: 'scored', id, logProbs });
    }
  } catch (error) {
    if (!abort.signal.aborted) {
      await parent.send({ type: 'error', id: request.id, ...coded(error, 'model_host_failed') });
    }
  } finally {
    running.delete(request.id);
  }
}

async function answer(
  request: SampleRequest,
  llama: Llama,
  prompts: Prompts,
  signal: AbortSignal,
): Promise<void> {
  const { id } = request;
  const events = sample(request, llama, prompts, signal);
  for await (const event of events) {
    if (signal.aborted) return; // the parent has forgotten this request
    void parent.send({ ...event, id });
  }
}

async function embed(
  { id, adapter, prompt }: EmbedRequest,
  llama: Llama,
  prompts: Prompts,
  signal: AbortSignal,
): Promise<void> {
  const tokens = prompts.encode(prompt, { param: 'input' });
  prompts.checkTokens(tokens, llama.contextLength - 1, 'input');
  const vector = await llama.embed(tokens, adapter, signal);
  await parent.send({ type: 'embedded', id, vector, promptTokens: tokens.length });
}

function coded(error: unknown, fallback: string) {
  if (error instanceof CodedError) {
    const { code, message, param, status } = error;
    return { code: code ?? fallback, message, param, status };
  }
  // The end of stderr is what the parent reports if this process dies of it.
  console.error(error);
  const message = error instanceof Error ? error.message : String(error);
  return { code: fallback, message, param: null, status: 500 };
}
