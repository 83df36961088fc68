// Generated tokens per second: node-llama-cpp called directly in one process, against the same through
// a model host (child process, our template, tokenizer, sampling and IPC), and through a real server
// over HTTP, streamed. They take turns.
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp';
import { Hosts } from '../src/serve/client.ts';
import { encodeChat } from '../src/tokenizer/chat.ts';
import { openModel } from '../src/weights/model-file.ts';
import { type Args, count, cpu, findModel, median } from './parts/measure.ts';
import { baseModel, startBenchServer } from './parts/server.ts';

const QUESTIONS = [
  'Tell me a long story about a fisherman and the sea.',
  'Explain how a bicycle stays upright, in detail.',
  'Describe a walk through an old city in the evening.',
  'Write about the history of bread.',
];
const CONTEXT = 1024;
const TEMPERATURE = 1; // greedy answers of small models run into loops and end early

type Generate = (question: string, seed: number) => Promise<number>;

/** Options: --model, --repeats 3, --tokens 128, --threads (cores), --parallel 4. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const model = findModel(args);
  const repeats = count(args, 'repeats', 3);
  const tokens = count(args, 'tokens', 128);
  const threads = count(args, 'threads', cpus().length);
  const parallel = count(args, 'parallel', 4);
  const contenders = {
    direct: await directly(model, tokens, threads, parallel),
    host: await throughHost(model, tokens, threads, parallel),
    http: await throughHttp(model, tokens),
  };
  const names = Object.keys(contenders) as (keyof typeof contenders)[];
  try {
    const result: Record<string, unknown> = { cpu: cpu(), threads, tokens, repeats };
    for (const requests of [1, parallel]) {
      // Once unmeasured: caches, contexts.
      for (const name of names) await speed(contenders[name].generate, requests, 0);
      const rounds: Record<keyof typeof contenders, number>[] = [];
      for (let i = 1; i <= repeats; i++) {
        const round = { direct: 0, host: 0, http: 0 };
        // Who goes first changes: whatever drifts hits all.
        for (const at of names.keys()) {
          const name = names[(at + i) % names.length]!;
          round[name] = await speed(contenders[name].generate, requests, i);
        }
        rounds.push(round);
      }
      result[`parallel_${requests}`] = {
        direct_tokens_per_s: median(rounds.map(({ direct }) => direct)),
        host_tokens_per_s: median(rounds.map(({ host }) => host)),
        http_tokens_per_s: median(rounds.map(({ http }) => http)),
        ratio: median(rounds.map(({ host, direct }) => host / direct)),
        http_ratio: median(rounds.map(({ http, direct }) => http / direct)),
        rounds,
      };
    }
    return { ...result, ...(await startTimes(model, threads, parallel)) };
  } finally {
    for (const name of names) await contenders[name].close();
  }
}

async function speed(generate: Generate, requests: number, round: number): Promise<number> {
  const start = performance.now();
  const counts = await Promise.all(
    Array.from({ length: requests }, (_, i) =>
      generate(QUESTIONS[i % QUESTIONS.length]!, 100 * round + i),
    ),
  );
  const seconds = (performance.now() - start) / 1000;
  return counts.reduce((sum, n) => sum + n, 0) / seconds;
}

/** As a careful user of node-llama-cpp would: one context, a sequence per request, text made at once. */
async function directly(modelPath: string, tokens: number, threads: number, parallel: number) {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
  });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: CONTEXT, sequences: parallel, threads });
  const free = Array.from({ length: parallel }, () => context.getSequence());
  const file = await openModel(modelPath);
  const tokenizer = await file.tokenizer();
  const generate: Generate = async (question, seed) => {
    const sequence = free.pop()!;
    const messages = [{ role: 'user', content: question }];
    const { ids } = encodeChat(tokenizer, file.chatTemplate!, messages, {
      addGenerationPrompt: true,
      ...file,
    });
    await sequence.clearHistory();
    let generated = 0;
    let text = '';
    const options = { temperature: TEMPERATURE, topK: 0, topP: 1, minP: 0, seed };
    for await (const id of sequence.evaluate([...ids] as Token[], options)) {
      text += model.detokenize([id]);
      generated += 1;
      if (generated === tokens) break;
    }
    free.push(sequence);
    if (text === '') throw new Error('nothing was generated');
    return generated;
  };
  const close = async () => {
    await file.close();
    await llama.dispose();
  };
  return { generate, close };
}

async function throughHost(modelPath: string, tokens: number, threads: number, parallel: number) {
  const host = { contextLength: CONTEXT, parallel, threads };
  const hosts = new Hosts({ memoryBytes: 16e9, host });
  await hosts.warm(modelPath);
  const generate: Generate = async (question, seed) => {
    const events = hosts.sample(modelPath, {
      adapter: null,
      prompt: { kind: 'chat', messages: [{ role: 'user', content: question }] },
      maxTokens: tokens,
      temperature: TEMPERATURE,
      topP: 1,
      seed,
      stop: [],
      logprobs: null,
    });
    for await (const event of events) if (event.type === 'end') return event.completionTokens;
    throw new Error('no end');
  };
  return { generate, close: () => hosts.close() };
}

/** As a client does: chat completions of a server started by its command line, read as they stream. */
async function throughHttp(modelPath: string, tokens: number) {
  const server = await startBenchServer(modelPath);
  const model = await baseModel(server);
  const generate: Generate = async (question, seed) => {
    const response = await fetch(`${server.url}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: question }],
        max_completion_tokens: tokens,
        temperature: TEMPERATURE,
        seed,
        stream: true,
        stream_options: { include_usage: true },
      }),
    });
    const body = await response.text();
    const generated = /"completion_tokens":(\d+)/.exec(body)?.[1];
    if (generated === undefined) throw new Error(`no usage in ${body.slice(-500)}`);
    return Number(generated);
  };
  return { generate, close: server.close };
}

/** Seconds from nothing to a host that can answer, and to its first token. */
async function startTimes(model: string, threads: number, parallel: number) {
  const hosts = new Hosts({ memoryBytes: 16e9, host: { threads, parallel } });
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  await hosts.warm(model);
  const ready = since();
  const events = hosts.sample(model, {
    adapter: null,
    prompt: { kind: 'text', text: 'Hello' },
    maxTokens: 1,
    temperature: 0,
    topP: 1,
    seed: 0,
    stop: [],
    logprobs: null,
  });
  await events.next();
  const firstToken = since();
  await hosts.close();
  return { host_ready_s: ready, first_token_s: firstToken };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, value] = process.argv.slice(2);
  const args = name === '--model' ? { model: value } : {};
  console.log(JSON.stringify(await run(args), null, 1));
}
