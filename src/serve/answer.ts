// Tokens of one answer to what is shown of them: text without stop strings, calls apart from text, and all
// of it kept to the grammar that was asked for.

import { callGrammar } from './calls/call-grammar.ts';
import { CallReader, type Split } from './calls/call-reader.ts';
import type { CallForm } from './calls/form.ts';
import { any } from './grammar/grammar.ts';
import { anyObject, jsonGrammar } from './grammar/json-schema.ts';
import { Guide, type Source } from './guide.ts';
import { OutputText } from './output-text.ts';
import type { Prompts } from './prompt.ts';
import type { CallDelta, SampleRequest, TokenLogprob } from './protocol.ts';

type Mark = TokenLogprob | null;

export type Step = {
  readonly text: string;
  readonly marks: readonly Mark[];
  readonly calls: readonly CallDelta[];
  /** Of the answer. */
  readonly tokens: number;
  readonly end: 'stop' | 'length' | null;
};

export class Answer {
  readonly #prompts: Prompts;
  readonly #output: OutputText<Mark>;
  readonly #reader: CallReader | null;
  readonly #control: readonly number[];
  #guide: Guide | null = null;
  #room: number;

  constructor(request: SampleRequest, prompts: Prompts, room: number) {
    this.#prompts = prompts;
    this.#output = new OutputText(request.stop);
    this.#room = room;
    const { tools } = request;
    const json = jsonSource(request);
    const form = tools === undefined ? null : prompts.callForm;
    this.#control = form === null ? [] : prompts.controlTokens(form);
    const calls =
      tools === undefined || form === null
        ? null
        : { grammar: callGrammar(form, tools), param: 'tools', control: this.#control };
    const forced = tools?.required === true;
    const first = forced ? calls : json === null ? null : either(json, calls);
    if (first !== null) this.#guide = Guide.start(first, prompts, room);
    this.#reader =
      form === null || calls === null ? null : this.#readerOf(form, calls, forced, json !== null);
  }

  /** Null: anything. It may change from token to token. */
  get grammar(): Guide['grammar'] | null {
    return this.#guide?.grammar ?? null;
  }

  push(id: number, mark: Mark): Step {
    const bytes = this.#control.includes(id)
      ? this.#prompts.tokenBytes(id)
      : this.#prompts.shownBytes(id);
    if (this.#guide?.take(bytes, this.#room - 1) === false) {
      const { text, tokens } = this.#guide.ending;
      return { ...this.#show(this.#output.push(Buffer.from(text), null)), tokens, end: 'length' };
    }
    this.#room -= 1;
    const shown = this.#show(this.#output.push(bytes, mark));
    const stopped = this.#output.stopped || this.#guide?.ended === true;
    return { ...shown, tokens: 1, end: stopped ? 'stop' : null };
  }

  /** What was held back. */
  finish(): Omit<Step, 'tokens' | 'end'> {
    const shown = this.#show(this.#output.finish());
    return { ...shown, text: shown.text + (this.#reader?.finish() ?? '') };
  }

  #show({ text, marks }: { text: string; marks: Mark[] }) {
    const split: Split = this.#reader?.push(text) ?? { text, calls: [] };
    return { ...split, marks };
  }

  #readerOf(form: CallForm, calls: Source, forced: boolean, json: boolean): CallReader {
    if (forced) return new CallReader(form, null);
    // Within JSON the sign of a call is just text.
    if (json) return new CallReader({ ...form, anywhere: false }, () => true);
    return new CallReader(form, (begun) => {
      this.#guide = Guide.start(calls, this.#prompts, this.#room, begun);
      return this.#guide !== null;
    });
  }
}

function jsonSource({ json }: SampleRequest): Source | null {
  if (json === undefined) return null;
  const { schema, param, lenient } = json;
  return {
    grammar:
      schema === null ? anyObject() : jsonGrammar(schema, param, { lenient: lenient === true }),
    param,
  };
}

function either(json: Source, calls: Source | null): Source {
  if (calls === null) return json;
  const rules = new Map([...json.grammar.rules, ...calls.grammar.rules]);
  return { ...calls, grammar: { root: any(json.grammar.root, calls.grammar.root), rules } };
}
