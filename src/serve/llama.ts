// llama.cpp through node-llama-cpp; the only file that imports it. Token ids in, token ids out: text
// is made by our own template and tokenizer, so that serving sees what training saw.
import { copyFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  GgmlType,
  getLlama,
  type LlamaContext,
  type LlamaContextOptions,
  type LlamaContextSequence,
  type Llama as LlamaEngine,
  LlamaGrammarEvaluationState,
  LlamaLogLevel,
  type LlamaModel,
  type LlamaModelOptions,
  type Token,
  TokenBias,
} from 'node-llama-cpp';
import { CodedError } from '../lib/coded-error.ts';
import { FreeCores } from './free-cores.ts';
import { Pool } from './pool.ts';
import type { Adapter } from './protocol.ts';

export type LoadOptions = {
  /** Tokens of prompt and answer together; null: the model's own, at most `DEFAULT_CONTEXT`. */
  readonly contextLength: number | null;
  /** Requests evaluated together in one batch. */
  readonly parallel: number;
  /** Null: as many as other processes leave free, of those that are useful for arithmetic. */
  readonly threads: number | null;
  readonly gpu: boolean;
};

export type SampleOptions = {
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
  /** Number of alternatives; null: no log-probabilities. */
  readonly logprobs: number | null;
  readonly logitBias?: readonly (readonly [id: number, bias: number])[] | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  /** Asked before every token: what may be generated; null: anything. */
  readonly grammar?: (() => GrammarText | null) | undefined;
};

/** In llama.cpp's notation; and tokens that are never taken, whatever fits. */
type GrammarText = { readonly text: string; readonly forbidden: readonly number[] };

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
/** A model that fits in a core's cache is slower with two threads than with one. */
const ONE_THREAD_BYTES = 16e6;
const BATCH = 512; // tokens evaluated between two looks at the abort signal

// Read by contexts for embeddings only; a model made for text says nothing about pooling. Of the keys those
// of other architectures than the file's are never looked at.
const POOLED = ['llama', 'granite', 'qwen2', 'qwen3', 'gemma2', 'gemma3', 'phi3'];
const MEAN_POOLING = Object.fromEntries(
  POOLED.map((architecture) => [architecture, { pooling_type: 1 }]),
) as NonNullable<LlamaModelOptions['metadataOverrides']>;
// A pooled batch has an output per token, and each takes a vocabulary's size of memory.
const EMBED_BATCH = 128;

export class Llama {
  readonly contextLength: number;
  /** Weights and two contexts: the base model's and one adapter's. */
  readonly memoryBytes: number;
  readonly #model: LlamaModel;
  readonly #pool: Pool<LlamaContextSequence>;
  readonly #embedders: Pool<LlamaContextSequence>;
  readonly #cache: Pick<LlamaContextOptions, 'flashAttention' | CacheType>;
  readonly #copies = new Map<string, string>();
  readonly #llama: LlamaEngine;
  /** Null: the number of threads is fixed. */
  readonly #cores: FreeCores | null;
  #running = 0;

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
    const model = await llama.loadModel({ modelPath: path, metadataOverrides: MEAN_POOLING });
    const adapts = options.threads === null && model.size > ONE_THREAD_BYTES;
    llama.maxThreads = options.threads ?? (adapts ? llama.cpuMathCores : 1);
    const contextLength =
      options.contextLength ?? Math.min(model.trainContextSize, DEFAULT_CONTEXT);
    const cache = await model.fileInsights.estimateContextResourceRequirementsV2({
      contextSize: contextLength,
      modelGpuLayers: model.gpuLayers,
      sequences: options.parallel,
    });
    const memoryBytes = model.size + 2 * (cache.cpuRam + cache.gpuVram);
    const cores = adapts ? new FreeCores(llama.cpuMathCores) : null;
    return new Llama(llama, model, cores, { ...options, contextLength }, memoryBytes);
  }

  private constructor(
    llama: LlamaEngine,
    model: LlamaModel,
    cores: FreeCores | null,
    { contextLength, parallel, threads }: LoadOptions & { readonly contextLength: number },
    memoryBytes: number,
  ) {
    this.#llama = llama;
    this.#model = model;
    this.#cores = cores;
    this.#cache = model.fileInsights.dominantTensorType === GgmlType.F32 ? EXACT_CACHE : {};
    this.contextLength = contextLength;
    this.memoryBytes = memoryBytes;
    this.#pool = new Pool({
      maxContexts: MAX_CONTEXTS,
      open: (key) => this.#open(key, { sequences: parallel, threads: threads ?? 0 }),
    });
    const embedding = { sequences: 1, batchSize: EMBED_BATCH, _embeddings: true };
    this.#embedders = new Pool({
      maxContexts: 1,
      open: (key) => this.#open(key, { ...embedding, threads: threads ?? 0 }),
    });
  }

  /** Endless but for the context's end: the caller knows when to stop. */
  async *sample(
    prompt: readonly number[],
    adapter: Adapter,
    options: SampleOptions,
    signal: AbortSignal,
  ): AsyncGenerator<Sampled> {
    const { temperature, topP, seed, logprobs } = options;
    const biases = biasesOf(this.#model, options);
    const guided = this.#guided(options, biases);
    const { sequence, release } = await this.#borrow(adapter, prompt, signal);
    try {
      const tokens = prompt as readonly Token[];
      let last = tokens.at(-1)!;
      // The last token always goes alone, so that a repeated prompt, whose beginning is still in the
      // cache, is computed in the same order and gives the same bits.
      await prefill(sequence, tokens, signal);
      await guided.prepare();
      const ids = sequence.evaluate([last], {
        temperature,
        topP,
        topK: 0,
        minP: 0,
        seed,
        yieldEogToken: true,
        ...biases?.options,
        ...guided.options,
      });
      for await (const id of ids) {
        this.#useFreeCores();
        biases?.count(id);
        const explained = logprobs === null ? null : await explain(sequence, last, id, logprobs);
        yield { id, logprobs: explained };
        // One more and the cache would drop its beginning.
        if (signal.aborted || sequence.nextTokenIndex >= this.contextLength - 1) return;
        last = id;
        await guided.prepare();
      }
    } finally {
      release();
    }
  }

  /** Log-probability of every token after the first, from the full softmax, and `top` alternatives. */
  async score(
    tokens: readonly number[],
    adapter: Adapter,
    signal: AbortSignal,
    top = 0,
  ): Promise<Logprobs[]> {
    const { sequence, release } = await this.#borrow(adapter, [], signal);
    try {
      await sequence.clearHistory();
      const scores: Logprobs[] = [];
      for (let start = 0; start < tokens.length - 1; start += BATCH) {
        signal.throwIfAborted();
        const part = tokens.slice(start, Math.min(start + BATCH, tokens.length - 1));
        const next = part.map((_, i) => tokens[start + i + 1] as Token);
        scores.push(...(await logprobsOf(sequence, part as Token[], next, top)));
      }
      return scores;
    } finally {
      release();
    }
  }

  /** Mean of the last hidden states over all tokens, scaled to length 1. */
  async embed(
    tokens: readonly number[],
    adapter: Adapter,
    signal: AbortSignal,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { sequence, release } = await this.#borrow(adapter, [], signal, this.#embedders);
    try {
      await sequence.clearHistory();
      let sum: Float64Array | null = null;
      for (let start = 0; start < tokens.length; start += EMBED_BATCH) {
        signal.throwIfAborted();
        const part = tokens.slice(start, start + EMBED_BATCH);
        await sequence.evaluateWithoutGeneratingNewTokens(part as Token[]);
        const mean = pooled(sequence.context, part.length);
        sum = mean.map((x, i) => part.length * x + (sum?.[i] ?? 0));
      }
      if (sum === null) throw new Error('an embedding of no tokens');
      const length = Math.hypot(...sum);
      return Float32Array.from(sum, (x) => x / length);
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    this.#cores?.close();
    await Promise.all([this.#pool.close(), this.#embedders.close()]);
    await this.#llama.dispose();
  }

  isEndOfText(id: number): boolean {
    return this.#model.isEogToken(id as Token);
  }

  /** `prepare` goes before every token. */
  #guided({ grammar: wanted }: SampleOptions, biases: Biases | null) {
    let current: GrammarText | null = null;
    let state: LlamaGrammarEvaluationState | undefined;
    const prepare = async () => {
      const next = wanted?.() ?? null;
      if (next === current) return;
      current = next;
      state = undefined;
      if (next === null) return;
      const grammar = await this.#llama.createGrammar({ grammar: next.text }).catch((cause) => {
        const message = 'The schema is too large for llama.cpp. Use smaller limits or fewer parts.';
        throw new CodedError('unsupported_schema', message, { cause });
      });
      state = new LlamaGrammarEvaluationState({ model: this.#model, grammar });
      biases?.forbid(next.forbidden);
    };
    return {
      prepare,
      options: wanted === undefined ? {} : { grammarEvaluationState: () => state },
    };
  }

  async #borrow(
    adapter: Adapter,
    prompt: readonly number[],
    signal: AbortSignal,
    pool = this.#pool,
  ) {
    const key = await contextKey(adapter);
    // Another version of the same file: its context would never be asked for again.
    await pool.drop((other) => isOlder(other, key));
    const { sequence, release } = await pool.borrow(key, signal, (free) => {
      const shared = free.map((one) => commonPrefix(one, prompt));
      return free[shared.indexOf(Math.max(...shared))]!;
    });
    this.#running += 1;
    this.#useFreeCores();
    const done = () => {
      this.#running -= 1;
      release();
    };
    return { sequence, release: done };
  }

  /** Only while nothing else runs: node-llama-cpp counts the threads it has given out. */
  #useFreeCores(): void {
    if (this.#cores !== null && this.#running === 1) this.#llama.maxThreads = this.#cores.count();
  }

  async #open(key: string, options: LlamaContextOptions & { readonly sequences: number }) {
    const { sequences: parallel } = options;
    const { path } = JSON.parse(key) as ContextKey;
    try {
      const context = await this.#model.createContext({
        ...options,
        contextSize: this.contextLength,
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

/** Of the batch evaluated last. The library offers it for contexts without adapters only. */
function pooled(context: LlamaContext, tokens: number): Float64Array {
  type Native = { readonly _ctx: { getEmbedding(tokens: number): Float64Array } };
  return (context as unknown as Native)._ctx.getEmbedding(tokens);
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

type Biases = NonNullable<ReturnType<typeof biasesOf>>;

/** OpenAI's formula: a token's logit plus its bias, minus what it costs that it was generated before:
 *  count × frequency + (count > 0) × presence. Null where nothing is asked for: the plain path. */
function biasesOf(
  model: LlamaModel,
  { logitBias = [], frequencyPenalty = 0, presencePenalty = 0, grammar }: SampleOptions,
) {
  const penalized = frequencyPenalty !== 0 || presencePenalty !== 0;
  if (logitBias.length === 0 && !penalized && grammar === undefined) return null;
  const tokenBias = TokenBias.for(model);
  // Its `set` passes over tokens that end the text, which people do forbid by a bias.
  const { _biases: biases } = tokenBias as unknown as { readonly _biases: Map<Token, number> };
  for (const [id, bias] of logitBias) biases.set(id as Token, bias);
  const forbid = (ids: readonly number[]) => {
    for (const id of ids)
      if (!model.isEogToken(id as Token)) biases.set(id as Token, Number.NEGATIVE_INFINITY);
  };
  const seen = new Set<Token>();
  const count = (id: Token) => {
    if (!penalized) return;
    const cost = frequencyPenalty + (seen.has(id) ? 0 : presencePenalty);
    seen.add(id);
    biases.set(id, (biases.get(id) ?? 0) - cost);
  };
  // As a function it is read before every token.
  return { options: { tokenBias: () => tokenBias }, count, forbid };
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
  const [logprobs] = await logprobsOf(sequence, [last], [id], count);
  return logprobs!;
}

/** What the model gives to `next[i]` after `tokens[i]`, and its `top` best. */
async function logprobsOf(
  sequence: LlamaContextSequence,
  tokens: readonly Token[],
  next: readonly Token[],
  top: number,
): Promise<Logprobs[]> {
  const outputs = await sequence.controlledEvaluate(
    tokens.map((token, i) => [
      token,
      { generateNext: { ...FULL_SOFTMAX, logits: wanted(next[i]!, top) } },
    ]),
  );
  return next.map((id, i) => {
    const { logits, normalizer } = read(outputs[i]?.next);
    const best = top === 0 ? [] : [...logits].sort(([, a], [, b]) => b - a).slice(0, top);
    return {
      chosen: logits.get(id)! - normalizer,
      top: best.map(([token, logit]) => ({ id: token, logprob: logit - normalizer })),
    };
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
