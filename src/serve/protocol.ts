// What the server and a model host say to each other over IPC: one host per loaded base model.
// Text goes in as messages or a prompt; the host renders and tokenizes with the one template.
import { z } from 'zod';

export const ChatMessage = z.looseObject({ role: z.string(), content: z.unknown() });

const Prompt = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('chat'),
    messages: z.array(ChatMessage),
    /** More that the model's template looks at. */
    values: z.record(z.string(), z.unknown()).optional(),
  }),
  z.strictObject({ kind: z.literal('text'), text: z.string() }),
  z.strictObject({ kind: z.literal('tokens'), tokens: z.array(z.int()) }),
]);

/** A GGUF adapter file and its strength (1 = as trained); null: the base model. */
const Adapter = z.strictObject({ path: z.string(), scale: z.number() }).nullable();
export type Adapter = z.infer<typeof Adapter>;

/** Functions that the answer may call. */
const Tools = z.strictObject({
  /** As the template prints them. */
  described: z.array(z.unknown()),
  /** `param` is the place in the request. */
  list: z.array(
    z.strictObject({
      name: z.string(),
      parameters: z.unknown(),
      strict: z.boolean().optional(),
      param: z.string(),
    }),
  ),
  /** Those that may be called; null: all. */
  names: z.array(z.string()).nullable(),
  required: z.boolean(),
  parallel: z.boolean(),
});

/** A call begins with its name; its arguments follow in pieces. */
const CallDelta = z.strictObject({
  index: z.int(),
  name: z.string().optional(),
  arguments: z.string(),
});
export type CallDelta = z.infer<typeof CallDelta>;

export const SampleRequest = z.strictObject({
  id: z.string(),
  adapter: Adapter,
  prompt: Prompt,
  /** Null: until the context is full. */
  maxTokens: z.int().min(0).nullable(),
  temperature: z.number(),
  topP: z.number(),
  seed: z.int().nullable(),
  stop: z.array(z.string()),
  /** Number of alternatives; null: no log-probabilities. */
  logprobs: z.int().min(0).nullable(),
  /** Show the prompt first, with its tokens' log-probabilities if they are asked for. */
  echo: z.boolean().optional(),
  /** Added to the logits of these tokens: [id, bias]. */
  logitBias: z.array(z.tuple([z.int(), z.number()])).optional(),
  frequencyPenalty: z.number().optional(),
  presencePenalty: z.number().optional(),
  /** The answer is JSON: any object, or what the schema accepts. `param` is its place in the request. */
  json: z
    .strictObject({
      schema: z.unknown(),
      param: z.string(),
      /** Pass over keywords that no grammar can keep. */
      lenient: z.boolean().optional(),
    })
    .optional(),
  tools: Tools.optional(),
});
export type SampleRequest = z.infer<typeof SampleRequest>;

/** Log-probability of every token after the first, from the full softmax. */
export const ScoreRequest = z.strictObject({
  id: z.string(),
  adapter: Adapter,
  tokens: z.array(z.int()).min(1),
});
export type ScoreRequest = z.infer<typeof ScoreRequest>;

/** The mean of the last hidden states over the tokens of a text, scaled to length 1. */
export const EmbedRequest = z.strictObject({ id: z.string(), adapter: Adapter, prompt: Prompt });
export type EmbedRequest = z.infer<typeof EmbedRequest>;

/** Second argument of the host process, as JSON. */
export const HostOptions = z.strictObject({
  /** Tokens of prompt and answer together. Null: the model's own, at most 4096. */
  contextLength: z.int().min(8).nullable().default(null),
  /** Requests that are evaluated together. */
  parallel: z.int().min(1).max(64).default(4),
  /** Null: as many as other processes leave free. */
  threads: z.int().min(1).max(256).nullable().default(null),
  /** Use a GPU where llama.cpp finds one; looking for it costs a second at start. */
  gpu: z.boolean().default(false),
});
export type HostOptions = z.infer<typeof HostOptions>;

export const ToHost = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('sample'), request: SampleRequest }),
  z.strictObject({ type: z.literal('score'), request: ScoreRequest }),
  z.strictObject({ type: z.literal('embed'), request: EmbedRequest }),
  z.strictObject({ type: z.literal('cancel'), id: z.string() }),
]);
export type ToHost = z.infer<typeof ToHost>;

export const TokenLogprob = z.strictObject({
  token: z.string(),
  bytes: z.array(z.int()),
  logprob: z.number(),
  top: z.array(z.strictObject({ token: z.string(), bytes: z.array(z.int()), logprob: z.number() })),
});
export type TokenLogprob = z.infer<typeof TokenLogprob>;

/** A token of the prompt; nothing precedes the first, so that one has no probability. */
const PromptToken = TokenLogprob.extend({ logprob: z.number().nullable() });
export type PromptToken = z.infer<typeof PromptToken>;

export const FromHost = z.discriminatedUnion('type', [
  /** `memoryBytes`: weights and caches when busy; what the budget of the parent counts. */
  z.strictObject({ type: z.literal('ready'), contextLength: z.int(), memoryBytes: z.number() }),
  /** The model cannot be loaded; the host exits. */
  z.strictObject({ type: z.literal('failed'), code: z.string(), message: z.string() }),
  z.strictObject({
    type: z.literal('piece'),
    id: z.string(),
    text: z.string(),
    logprobs: z.array(TokenLogprob).nullable(),
    /** Only where an echo was asked for: this is the prompt. Empty without log-probabilities. */
    echo: z.array(PromptToken).optional(),
    /** Only where tools were given. */
    calls: z.array(CallDelta).optional(),
  }),
  z.strictObject({
    type: z.literal('end'),
    id: z.string(),
    finishReason: z.enum(['stop', 'length']),
    promptTokens: z.int(),
    completionTokens: z.int(),
  }),
  z.strictObject({ type: z.literal('scored'), id: z.string(), logProbs: z.array(z.number()) }),
  z.strictObject({
    type: z.literal('embedded'),
    id: z.string(),
    vector: z.instanceof(Float32Array),
    promptTokens: z.int(),
  }),
  /** The request failed; the host lives on. `param` names the wire field where one is at fault. */
  z.strictObject({
    type: z.literal('error'),
    id: z.string(),
    code: z.string(),
    message: z.string(),
    param: z.string().nullable(),
    /** The HTTP status that fits. */
    status: z.int(),
  }),
]);
export type FromHost = z.infer<typeof FromHost>;
