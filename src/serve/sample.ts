// One request: prompt to tokens, tokens to pieces of text, until something says stop.
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import { Answer, type Step } from './answer.ts';
import type { Llama, Logprobs } from './llama.ts';
import type { Prompts } from './prompt.ts';
import type { CallDelta, PromptToken, SampleRequest, TokenLogprob } from './protocol.ts';

export type Piece = {
  readonly type: 'piece';
  readonly text: string;
  readonly logprobs: TokenLogprob[] | null;
  readonly echo?: PromptToken[];
  readonly calls?: CallDelta[];
};
export type End = {
  readonly type: 'end';
  readonly finishReason: 'stop' | 'length';
  readonly promptTokens: number;
  readonly completionTokens: number;
};

export async function* sample(
  request: SampleRequest,
  llama: Llama,
  prompts: Prompts,
  signal: AbortSignal,
): AsyncGenerator<Piece | End> {
  const prompt = prompts.encode(request.prompt, { tools: request.tools?.described });
  const room = roomForAnswer(request, prompt.length, llama.contextLength);
  prompts.checkBiases(request.logitBias ?? []);
  if (request.echo) yield await echo(request, prompt, llama, prompts, signal);
  const answer = new Answer(request, prompts, room);
  let completionTokens = 0;
  let finishReason: End['finishReason'] = 'length';
  if (room > 0) {
    const guided = request.json !== undefined || request.tools !== undefined;
    const options = {
      ...request,
      seed: seedOf(request.seed),
      grammar: guided ? () => answer.grammar : undefined,
    };
    for await (const { id, logprobs } of llama.sample(prompt, request.adapter, options, signal)) {
      if (prompts.isStop(id) || llama.isEndOfText(id)) {
        finishReason = 'stop';
        break;
      }
      const step = answer.push(id, logprobs && named(id, logprobs, prompts));
      completionTokens += step.tokens;
      yield* pieces(request, step);
      finishReason = step.end ?? 'length';
      if (step.end !== null || completionTokens === room) break;
    }
  }
  yield* pieces(request, answer.finish());
  yield { type: 'end', finishReason, promptTokens: prompt.length, completionTokens };
}

/** None where there is nothing to show yet. */
function* pieces(
  request: SampleRequest,
  { text, marks, calls }: Omit<Step, 'tokens' | 'end'>,
): Generator<Piece> {
  if (text === '' && marks.length === 0 && calls.length === 0) return;
  const logprobs = request.logprobs === null ? null : marks.filter((mark) => mark !== null);
  yield { type: 'piece', text, logprobs, ...(calls.length > 0 && { calls: [...calls] }) };
}

/** Number of tokens that may be generated; the answer shares the context with the prompt. */
function roomForAnswer(
  { prompt, maxTokens }: SampleRequest,
  promptTokens: number,
  contextLength: number,
): number {
  const param = prompt.kind === 'chat' ? 'messages' : 'prompt';
  // A prompt that fills the context can be scored, not continued.
  if (promptTokens > contextLength || (promptTokens === contextLength && maxTokens !== 0)) {
    const message = say('refusal.context', {
      context: contextLength,
      what: param,
      tokens: promptTokens,
    });
    throw new CodedError('context_length_exceeded', message, { param });
  }
  if (maxTokens === null) return contextLength - promptTokens;
  const total = promptTokens + maxTokens;
  if (total <= contextLength) return maxTokens;
  const message = say('refusal.context_asked', {
    context: contextLength,
    total,
    prompt: promptTokens,
    what: param,
    completion: maxTokens,
  });
  throw new CodedError('context_length_exceeded', message, { param });
}

// 31 bits: llama.cpp reads 2³² − 1 as "choose a seed for me".
const seedOf = (seed: number | null) =>
  seed === null ? Math.floor(Math.random() * 0x7fffffff) : seed & 0x7fffffff;

/** The prompt before the answer, scored by one pass over it. */
async function echo(
  { prompt, adapter, logprobs }: SampleRequest,
  ids: readonly number[],
  llama: Llama,
  prompts: Prompts,
  signal: AbortSignal,
): Promise<Piece> {
  const { text, tokens } = prompts.shown(prompt, ids);
  if (logprobs === null) return { type: 'piece', text, logprobs: null, echo: [] };
  const scores = await llama.score(ids, adapter, signal, logprobs);
  const marks = ids.map((id, i): PromptToken => {
    const token = tokens[i]!;
    const score = scores[i - 1];
    if (score === undefined) return { token, bytes: bytesOf(token), logprob: null, top: [] };
    const { top, ...own } = named(id, score, prompts);
    const same = own.token.includes('\ufffd') ? own : { ...own, token, bytes: bytesOf(token) };
    return {
      ...same,
      top: top.map((one) => (one.token === own.token ? { ...one, ...same } : one)),
    };
  });
  return { type: 'piece', text, logprobs: null, echo: marks };
}

const bytesOf = (text: string) => [...Buffer.from(text)];

function named(id: number, { chosen, top }: Logprobs, prompts: Prompts): TokenLogprob {
  const one = (token: number, logprob: number) => {
    const bytes = prompts.tokenBytes(token);
    // JSON has no −∞; −9999 is what OpenAI's API writes for "impossible".
    return {
      token: Buffer.from(bytes).toString('utf8'),
      bytes: [...bytes],
      logprob: Math.max(logprob, -9999),
    };
  };
  return { ...one(id, chosen), top: top.map(({ id: other, logprob }) => one(other, logprob)) };
}
