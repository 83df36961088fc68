// llama.cpp through node-llama-cpp; the only file that imports it. Token ids in, token ids out: text
// is made by our own template and tokenizer, so that serving sees what training saw.
import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  GgmlType,
  getLlama,
  type LlamaContextOptions,
  type LlamaContextSequence,
  LlamaLogLevel,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { CodedError } from '../lib/coded-error.ts';
import { Pool } from './pool.ts';
import type { Adapter } from './protocol.ts';

export type LoadOptions = {
  /** Tokens of prompt and answer together; null: the model's own, at most `DEFAULT_CONTEXT`. */
  readonly contextLength: number | null;
  /** Requests evaluated together in one batch. */
  readonly parallel: number;
  /** Null: llama.cpp's count of the cores that are useful for arithmetic. */
  readonly threads: number | null;
  readonly gpu: boolean;
};

export type SampleOptions = {
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  /** Number of alternatives; null: no log-probabilities. */
  readonly logprobs: number | null;
};

export type Logprobs = {
  readonly chosen: number;
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
};

export type Sampled = { readonly id: number; readonly logprobs: Logprobs | null };

type CacheType = 'experimentalKvCacheKeyType' | 'experimentalKvCacheValueType';
// The usual 16-bit cache moves log-probabilities by 0.002 on average (0.01 at most): nothing beside
// the 0.08 that quantized weights cost, but everything where the weights are exact.
const EXACT_CACHE = {
  flashAttention: false, // computes in 16 bits whatever the cache holds
  experimentalKvCacheKeyType: 'F32',
  experimentalKvCacheValueType: 'F32',
} as const;
// The cache of a context is paid for in full when it is created: 2 × layers × heads × size × sequences.
const DEFAULT_CONTEXT = 4096;
const MAX_CONTEXTS = 4;
const BATCH = 512; // tokens evaluated between two looks at the abort signal

export class Llama {
  readonly contextLength: number;
  /** Weights and two contexts: the base model's and one adapter's. */
  readonly memoryBytes: number;
  readonly #model: LlamaModel;
  readonly #pool: Pool<LlamaContextSequence>;
  readonly #cache: Pick<LlamaContextOptions, 'flashAttention' | CacheType>;
  readonly #copies = new Map<string, string>();
  readonly #dispose: () => Promise<void>;

  static async load(path: string, options: LoadOptions): Promise<Llama> {
    const llama = await getLlama({
      gpu: options.gpu ? 'auto' : false,
      build: 'never', // neither compiles nor downloads: the prebuilt library or an error
      skipDownload: true,
      progressLogs: false,
      logLevel: LlamaLogLevel.error,
      // Its default is at least 4: on two cores the threads then wait for each other.
      maxThreads: options.threads ?? 0,
    });
    if (options.threads === null) llama.maxThreads = llama.cpuMathCores;
    const model = await llama.loadModel({ modelPath: path });
    const contextLength =
      options.contextLength ?? Math.min(model.trainContextSize, DEFAULT_CONTEXT);
    const cache = await model.fileInsights.estimateContextResourceRequirementsV2({
      contextSize: contextLength,
      modelGpuLayers: model.gpuLayers,
      sequences: options.parallel,
    });
    const memoryBytes = model.size + 2 * (cache.cpuRam + cache.gpuVram);
    return new Llama(model, { ...options, contextLength }, memoryBytes, () => llama.dispose());
  }

  private constructor(
    model: LlamaModel,
    { contextLength, parallel, threads }: LoadOptions & { readonly contextLength: number },
    memoryBytes: number,
    dispose: () => Promise<void>,
  ) {
    this.#model = model;
    this.#cache = model.fileInsights.dominantTensorType === GgmlType.F32 ? EXACT_CACHE : {};
    this.#dispose = dispose;
    this.contextLength = contextLength;
    this.memoryBytes = memoryBytes;
    this.#pool = new Pool({
      maxContexts: MAX_CONTEXTS,
      open: (key) => this.#open(key, parallel, threads),
    });
  }

  /** Endless but for the context's end: the caller knows when to stop. */
  async *sample(
    prompt: readonly number[],
    adapter: Adapter,
    { temperature, topP, seed, logprobs }: SampleOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Sampled> {
    const { sequence, release } = await this.#borrow(adapter, prompt, signal);
    try {
      const tokens = prompt as readonly Token[];
      let last = tokens.at(-1)!;
      // The last token always goes alone, so that a repeated prompt, whose beginning is still in the
      // cache, is computed in the same order and gives the same bits.
      await prefill(sequence, tokens, signal);
      const ids = sequence.evaluate([last], {
        temperature,
        topP,
        topK: 0,
        minP: 0,
        seed,
        yieldEogToken: true,
      });
      for await (const id of ids) {
        const explained = logprobs === null ? null : await explain(sequence, last, id, logprobs);
        yield { id, logprobs: explained };
        // One more and the cache would drop its beginning.
        if (signal.aborted || sequence.nextTokenIndex >= this.contextLength - 1) return;
        last = id;
      }
    } finally {
      release();
    }
  }

  /** Log-probability of every token after the first, from the full softmax. */
  async score(tokens: readonly number[], adapter: Adapter, signal: AbortSignal): Promise<number[]> {
    const { sequence, release } = await this.#borrow(adapter, [], signal);
    try {
      await sequence.clearHistory();
      const scores: number[] = [];
      for (let start = 0; start < tokens.length - 1; start += BATCH) {
        signal.throwIfAborted();
        const part = tokens.slice(start, Math.min(start + BATCH, tokens.length - 1));
        const wanted = part.map((_, i) => tokens[start + i + 1] as Token);
        scores.push(...(await logprobsOf(sequence, part as Token[], wanted)));
      }
      return scores;
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
    await this.#dispose();
  }

  isEndOfText(id: number): boolean {
    return this.#model.isEogToken(id as Token);
  }

  async #borrow(adapter: Adapter, prompt: readonly number[], signal: AbortSignal) {
    const key = await contextKey(adapter);
    // Another version of the same file: its context would never be asked for again.
    await this.#pool.drop((other) => isOlder(other, key));
    return this.#pool.borrow(key, signal, (free) => {
      const shared = free.map((sequence) => commonPrefix(sequence, prompt));
      return free[shared.indexOf(Math.max(...shared))]!;
    });
  }

  async #open(key: string, parallel: number, threads: number | null) {
    const { path } = JSON.parse(key) as ContextKey;
    try {
      const context = await this.#model.createContext({
        contextSize: this.contextLength,
        sequences: parallel,
        threads: threads ?? 0,
        failedCreationRemedy: false, // a smaller context than promised would be a silent cut
        ...this.#cache,
        ...(await this.#lora(key)),
      });
      const sequences = Array.from({ length: parallel }, () => context.getSequence());
      return { sequences, close: () => context.dispose() };
    } catch (cause) {
      const copy = this.#copies.get(copyName(key));
      if (copy !== undefined) {
        this.#copies.delete(copyName(key)); // it may not have been loaded
        await rm(dirname(copy), { recursive: true, force: true });
      }
      const reason = cause instanceof Error ? cause.message : String(cause);
      const [code, what] =
        path === null
          ? ['context_failed', `a context of ${parallel} × ${this.contextLength} tokens`]
          : ['adapter_unusable', `the adapter ${path}`];
      const message = `llama.cpp cannot set up ${what}: ${reason}`;
      throw new CodedError(code, message, { status: 500, cause });
    }
  }

  /** node-llama-cpp caches adapters by path for good, so every version gets a path of its own. */
  async #lora(key: string) {
    const { path, scale } = JSON.parse(key) as ContextKey;
    if (path === null) return {};
    const known = this.#copies.get(copyName(key));
    if (known !== undefined) return { lora: { adapters: [{ filePath: known, scale }] } };
    const folder = await mkdtemp(join(tmpdir(), 'tunery-host-'));
    const filePath = join(folder, 'adapter.gguf');
    await copyFile(path, filePath);
    this.#copies.set(copyName(key), filePath);
    // llama.cpp holds an adapter in memory; a host that is killed must not leave files behind.
    const onLoadProgress = () => void rm(folder, { recursive: true, force: true });
    return { lora: { adapters: [{ filePath, scale }], onLoadProgress } };
  }
}

type ContextKey = { path: string | null; version: string; scale: number };

async function contextKey(adapter: Adapter): Promise<string> {
  // Strength 0 is the base model, and shares its context.
  if (adapter === null || adapter.scale === 0) return JSON.stringify({ path: null });
  const { path, scale } = adapter;
  const file = await stat(path).catch((cause) => {
    throw new CodedError('adapter_missing', `The adapter file ${path} cannot be read.`, {
      status: 500,
      cause,
    });
  });
  return JSON.stringify({ path, version: `${file.mtimeMs} ${file.size} ${file.ino}`, scale });
}

/** One copy for all strengths of a version. */
function copyName(key: string): string {
  const { path, version } = JSON.parse(key) as ContextKey;
  return `${path} ${version}`;
}

function isOlder(other: string, key: string): boolean {
  const [a, b] = [JSON.parse(other) as ContextKey, JSON.parse(key) as ContextKey];
  return a.path !== null && a.path === b.path && a.version !== b.version;
}

function commonPrefix(sequence: LlamaContextSequence, prompt: readonly number[]): number {
  return Math.min(
    sequence.compareContextTokens(prompt as Token[]).firstDifferentIndex,
    prompt.length,
  );
}

/** Brings the sequence to hold all but the last token of the prompt. */
async function prefill(
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  signal: AbortSignal,
): Promise<void> {
  const keep = Math.min(commonPrefix(sequence, prompt), prompt.length - 1);
  await cutTo(sequence, keep);
  for (let at = keep; at < prompt.length - 1; at += BATCH) {
    signal.throwIfAborted();
    const part = prompt.slice(at, Math.min(at + BATCH, prompt.length - 1));
    await sequence.evaluateWithoutGeneratingNewTokens(part);
  }
}

async function cutTo(sequence: LlamaContextSequence, length: number): Promise<void> {
  if (sequence.nextTokenIndex <= length) return;
  await sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]);
}

/** Log-probabilities at the place where `id` was sampled. The sampler's own numbers are scaled by the
 *  temperature and cut by top_p, so the last evaluated token is evaluated once more without it. */
async function explain(
  sequence: LlamaContextSequence,
  last: Token,
  id: Token,
  count: number,
): Promise<Logprobs> {
  await cutTo(sequence, sequence.nextTokenIndex - 1);
  const [output] = await sequence.controlledEvaluate([
    [last, { generateNext: { ...FULL_SOFTMAX, logits: wanted(id, count) } }],
  ]);
  const { logits, normalizer } = read(output?.next);
  const top = [...logits].sort(([, a], [, b]) => b - a).slice(0, count);
  return {
    chosen: logits.get(id)! - normalizer,
    top: top.map(([token, logit]) => ({ id: token, logprob: logit - normalizer })),
  };
}

async function logprobsOf(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  next: readonly Token[],
): Promise<number[]> {
  const outputs = await sequence.controlledEvaluate(
    tokens.map((token, i) => [
      token,
      { generateNext: { ...FULL_SOFTMAX, logits: wanted(next[i]!, 0) } },
    ]),
  );
  return next.map((id, i) => {
    const { logits, normalizer } = read(outputs[i]?.next);
    return logits.get(id)! - normalizer;
  });
}

// Greedy: any other sampler changes or drops logits before they are reported.
const FULL_SOFTMAX = { totalLogitWeight: true, options: { temperature: 0 } } as const;

/** The greedy choice has the largest logit, which `totalLogitWeight` is relative to. */
const wanted = (id: Token, top: number) => ({
  filter: { tokens: [id], includeSelected: true, includeTop: top },
});

function read(
  next: { logits?: ReadonlyMap<Token, number>; totalLogitWeight?: number } | undefined,
): { logits: ReadonlyMap<Token, number>; normalizer: number } {
  if (next?.logits === undefined || next.totalLogitWeight === undefined) {
    throw new Error('llama.cpp returned no logits');
  }
  const normalizer = Math.max(...next.logits.values()) + Math.log(next.totalLogitWeight);
  return { logits: next.logits, normalizer };
}
