// What the model is fed: the one template and the one tokenizer, as in training.
import { CodedError } from '../lib/coded-error.ts';
import { encodeChat } from '../tokenizer/chat.ts';
import { DEFAULT_CHAT_TEMPLATE } from '../tokenizer/default-template.ts';
import type { Message } from '../tokenizer/messages.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type CallForm, callForm } from './calls/form.ts';
import type { SampleRequest } from './protocol.ts';

type SpecialTokens = { readonly bosToken: string | null; readonly eosToken: string | null };

type ChatPrompt = Extract<SampleRequest['prompt'], { kind: 'chat' }>;
type EncodeOptions = {
  readonly param?: string;
  readonly tools?: readonly unknown[] | undefined;
};
type Shown = { readonly text: string; readonly tokens: readonly string[] };

export class Prompts {
  readonly #tokenizer: Tokenizer;
  readonly #template: string;
  readonly #special: SpecialTokens;
  readonly #stop: ReadonlySet<number>;
  #callForm: CallForm | null | undefined;
  #untextual: readonly number[] | null = null;
  #short: ReadonlySet<string> | null = null;

  constructor(tokenizer: Tokenizer, template: string | null, special: SpecialTokens) {
    this.#tokenizer = tokenizer;
    this.#template = template ?? DEFAULT_CHAT_TEMPLATE;
    this.#special = special;
    this.#stop = new Set(tokenizer.stopIds);
  }

  /** `param` is the wire's name of a prompt of token ids; tools are for messages. */
  encode(
    prompt: SampleRequest['prompt'],
    { param = 'prompt', tools = [] }: EncodeOptions = {},
  ): number[] {
    if (prompt.kind === 'chat') return this.#chat(prompt, tools);
    if (prompt.kind === 'text') return this.#text(prompt.text);
    this.checkTokens(prompt.tokens, Number.POSITIVE_INFINITY, param);
    return prompt.tokens.length > 0 ? prompt.tokens : this.#nothing();
  }

  /** Number of tokens that a text takes by itself. */
  count(text: string): number {
    return this.#tokenizer.encode(text, { special: false }).length;
  }

  /** Tokens that a grammar must not use: control tokens, which have a name and no text, and bytes that
   *  no UTF-8 text holds, which llama.cpp would take for the beginning of a character. */
  get untextual(): readonly number[] {
    this.#untextual ??= this.#ids().filter(
      (id) => this.#tokenizer.isSpecial(id) || this.tokenBytes(id).some((byte) => NO_TEXT(byte)),
    );
    return this.#untextual;
  }

  /** The characters of a text that no tokens of this model can write. */
  unwritable(text: string): string[] {
    this.#short ??= new Set(
      this.#ids()
        .map((id) => this.shownBytes(id))
        .filter(({ length }) => length > 0 && length <= 4)
        .map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    return [...new Set(text)].filter((char) => {
      const bytes = Buffer.from(char).toString('latin1');
      return !this.#short?.has(bytes) && ![...bytes].every((byte) => this.#short?.has(byte));
    });
  }

  #ids(): number[] {
    return Array.from({ length: this.#tokenizer.vocabSize }, (_, id) => id);
  }

  isStop(id: number): boolean {
    return this.#stop.has(id);
  }

  tokenBytes(id: number): Uint8Array {
    return this.#tokenizer.tokenBytes(id);
  }

  /** Control tokens are for the model; in the answer they have no text. */
  shownBytes(id: number): Uint8Array {
    return this.#tokenizer.isSpecial(id) ? NO_BYTES : this.#tokenizer.tokenBytes(id);
  }

  /** The prompt as it is echoed: its text, and the part of it that each token stands for. */
  shown(prompt: SampleRequest['prompt'], ids: readonly number[]): Shown {
    if (prompt.kind !== 'text') {
      const tokens = ids.map((id) => Buffer.from(this.shownBytes(id)));
      const text = Buffer.concat(tokens).toString('utf8');
      return { text, tokens: tokens.map((bytes) => bytes.toString('utf8')) };
    }
    const { text } = prompt;
    const { starts, ends } = this.#tokenizer.encodeWithOffsets(text, { special: true });
    const added = ids.length - starts.length; // a token that begins the text, and has none of its own
    const tokens = ids.map((id, i) => {
      const [start, end, before] = [starts[i - added], ends[i - added], ends[i - added - 1] ?? 0];
      if (start === undefined || end === undefined) return '';
      const whole = start >= before && (starts[i - added + 1] ?? end) >= end;
      // Of a character that takes several tokens each has a few bytes.
      return whole ? text.slice(start, end) : Buffer.from(this.tokenBytes(id)).toString('utf8');
    });
    return { text, tokens };
  }

  checkBiases(biases: readonly (readonly [number, number])[]): void {
    const ids = biases.map(([id]) => id);
    this.checkTokens(ids, Number.POSITIVE_INFINITY, 'logit_bias');
  }

  checkTokens(tokens: readonly number[], contextLength: number, param: string): void {
    const { vocabSize } = this.#tokenizer;
    const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (wrong !== undefined) {
      const message = `Token id ${wrong} is not in the model's vocabulary of ${vocabSize}.`;
      throw new CodedError('invalid_value', message, { param });
    }
    // The last token is only looked for in the output: a row as long as the context fits.
    if (tokens.length > contextLength) {
      const message = `This model's maximum context length is ${contextLength} tokens, got ${tokens.length}.`;
      throw new CodedError('context_length_exceeded', message, { param });
    }
  }

  /** How this model calls tools. */
  get callForm(): CallForm {
    if (this.#callForm === undefined) this.#callForm = callForm(this.#template, this.#special);
    if (this.#callForm !== null) return this.#callForm;
    const message =
      "The chat template of this model prints calls in a form that cannot be read back, so 'tools' do not work with it.";
    throw new CodedError('unsupported_value', message, { param: 'tools' });
  }

  /** Control tokens that the form of a call is made of. */
  controlTokens({ open, next, middle, close }: CallForm): number[] {
    const ids = this.#tokenizer.encode([open, next, middle, close].join(''), { special: true });
    return [...new Set(ids)].filter((id) => this.#tokenizer.isSpecial(id));
  }

  #chat({ messages, values = {} }: ChatPrompt, tools: readonly unknown[]): number[] {
    try {
      const options = { addGenerationPrompt: true, tools, values, ...this.#special };
      return [...encodeChat(this.#tokenizer, this.#template, messages as Message[], options).ids];
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `The messages do not fit the model's chat template: ${reason}`;
      throw new CodedError('invalid_value', message, { param: 'messages', cause: error });
    }
  }

  #text(text: string): number[] {
    const { bosId, addBos } = this.#tokenizer;
    const ids = [...this.#tokenizer.encode(text, { special: true })];
    if (addBos && bosId !== null && ids[0] !== bosId) ids.unshift(bosId);
    return ids.length > 0 ? ids : this.#nothing();
  }

  /** An empty prompt starts a text, as the API defines it; the model needs one token for that. */
  #nothing(): number[] {
    const start = this.#tokenizer.bosId ?? this.#tokenizer.eosId;
    if (start !== null) return [start];
    const message = 'This model has no token that begins a text: the prompt must not be empty.';
    throw new CodedError('invalid_value', message, { param: 'prompt' });
  }
}

const NO_BYTES = new Uint8Array();
const NO_TEXT = (byte: number) => byte === 0xc0 || byte === 0xc1 || byte >= 0xf5;
