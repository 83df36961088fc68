// One request: prompt to tokens, tokens to pieces of text, until something says stop.
import { CodedError } from '../lib/coded-error.ts';
import { anyObject, jsonGrammar } from './grammar/json-schema.ts';
import { Guide } from './guide.ts';
import type { Llama, Logprobs } from './llama.ts';
import { OutputText } from './output-text.ts';
import type { Prompts } from './prompt.ts';
import type { PromptToken, SampleRequest, TokenLogprob } from './protocol.ts';

export type Piece = {
  readonly type: 'piece';
  readonly text: string;
  readonly logprobs: TokenLogprob[] | null;
  readonly echo?: PromptToken[];
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
  const prompt = prompts.encode(request.prompt);
  const room = roomForAnswer(request, prompt.length, llama.contextLength);
  prompts.checkBiases(request.logitBias ?? []);
  if (request.echo) yield await echo(request, prompt, llama, prompts, signal);
  const output = new OutputText<TokenLogprob | null>(request.stop);
  const piece = ({ text, marks }: { text: string; marks: (TokenLogprob | null)[] }): Piece => ({
    type: 'piece',
    text,
    logprobs: request.logprobs === null ? null : marks.filter((mark) => mark !== null),
  });
  let completionTokens = 0;
  let finishReason: End['finishReason'] = 'length';
  if (room > 0) {
    const guide = guideOf(request, prompts, room);
    const options = { ...request, seed: seedOf(request.seed), grammar: guide?.grammar };
    for await (const { id, logprobs } of llama.sample(prompt, request.adapter, options, signal)) {
      if (prompts.isStop(id) || llama.isEndOfText(id)) {
        finishReason = 'stop';
        break;
      }
      const bytes = prompts.shownBytes(id);
      if (guide?.take(bytes, room - completionTokens - 1) === false) {
        const { text, tokens } = guide.ending;
        completionTokens += tokens;
        yield piece(output.push(Buffer.from(text), null));
        break;
      }
      completionTokens += 1;
      const step = output.push(bytes, logprobs && named(id, logprobs, prompts));
      if (step.text !== '' || step.marks.length > 0) yield piece(step);
      if (output.stopped || guide?.ended) finishReason = 'stop';
      if (guide?.ended) break;
      if (output.stopped || completionTokens === room) break;
    }
  }
  const rest = output.finish();
  if (rest.text !== '' || rest.marks.length > 0) yield piece(rest);
  yield { type: 'end', finishReason, promptTokens: prompt.length, completionTokens };
}

function guideOf({ json }: SampleRequest, prompts: Prompts, room: number): Guide | null {
  if (json === undefined) return null;
  const { schema, param } = json;
  const grammar = schema === null ? anyObject() : jsonGrammar(schema, param);
  return new Guide(grammar, param, prompts, room);
}

/** Number of tokens that may be generated; the answer shares the context with the prompt. */
function roomForAnswer(
  { prompt, maxTokens }: SampleRequest,
  promptTokens: number,
  contextLength: number,
): number {
  const param = prompt.kind === 'chat' ? 'messages' : 'prompt';
  const limit = `This model's maximum context length is ${contextLength} tokens.`;
  const advice = `Please reduce the length of the ${param}`;
  // A prompt that fills the context can be scored, not continued.
  if (promptTokens > contextLength || (promptTokens === contextLength && maxTokens !== 0)) {
    const message = `${limit} However, your ${param} resulted in ${promptTokens} tokens. ${advice}.`;
    throw new CodedError('context_length_exceeded', message, { param });
  }
  if (maxTokens === null) return contextLength - promptTokens;
  const total = promptTokens + maxTokens;
  if (total <= contextLength) return maxTokens;
  const message =
    `${limit} However, you requested ${total} tokens (${promptTokens} in the ${param}, ` +
    `${maxTokens} in the completion). ${advice} or completion.`;
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
