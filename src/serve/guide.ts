// An answer that must follow a grammar: what llama.cpp keeps the sampler to, and how the answer is brought
// to an end when its room is about to run out, so that what was promised as JSON can be parsed.
import { CodedError } from '../lib/coded-error.ts';
import { printGbnf } from './grammar/gbnf.ts';
import type { Grammar, Node } from './grammar/grammar.ts';
import { Walk } from './grammar/walk.ts';
import type { Prompts } from './prompt.ts';

export type Source = {
  readonly grammar: Grammar;
  readonly param: string;
  /** Control tokens that the grammar means where it has their names. */
  readonly control?: readonly number[];
};

export class Guide {
  /** For the sampler. */
  readonly grammar: { readonly text: string; readonly forbidden: readonly number[] };
  readonly #prompts: Prompts;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #walk: Walk;
  #fits: boolean;

  /** `param` is where the grammar comes from, `room` the number of tokens for the answer; `begun` was
   *  written before there was a guide. Null where that does not follow the grammar. */
  static start(source: Source, prompts: Prompts, room: number, begun = ''): Guide | null {
    const { grammar, param } = source;
    const missing = prompts.unwritable(literals(grammar));
    if (missing.length > 0) {
      const chars = missing.map((char) => `'${char}'`).join(' ');
      const message = `This model's vocabulary cannot write what '${param}' asks for: it has no token for ${chars}.`;
      throw new CodedError('unsupported_value', message, { param });
    }
    const walk = started(grammar, param).after(begun);
    return walk === null ? null : new Guide(source, walk, prompts, room);
  }

  private constructor({ control = [] }: Source, walk: Walk, prompts: Prompts, room: number) {
    this.#prompts = prompts;
    this.#walk = walk;
    const forbidden = prompts.untextual.filter((id) => !control.includes(id));
    this.grammar = { text: printGbnf(walk.rest), forbidden };
    this.#fits = this.#hasRoom(walk, room);
  }

  /** Takes the bytes of a token, unless the answer could not be completed in the `room` after it. An
   *  answer that had too little room from the beginning is taken as it comes. */
  take(bytes: Uint8Array, room: number): boolean {
    const next = this.#walk.after(this.#decoder.decode(bytes, { stream: true }));
    if (next === null) throw new Error('llama.cpp left the grammar');
    const fits = this.#hasRoom(next, room);
    if (this.#fits && !fits) return false;
    this.#fits = fits;
    this.#walk = next;
    return true;
  }

  get ended(): boolean {
    return this.#walk.ended;
  }

  /** The shortest text that completes the answer, and its tokens. */
  get ending(): { readonly text: string; readonly tokens: number } {
    const text = this.#walk.ending;
    return { text, tokens: this.#prompts.count(text) };
  }

  #hasRoom(walk: Walk, room: number): boolean {
    const { ending } = walk;
    if (ending === '') return true;
    return Buffer.byteLength(ending) < room || this.#prompts.count(ending) <= room;
  }
}

function started(grammar: Grammar, param: string): Walk {
  try {
    return Walk.start(grammar);
  } catch (error) {
    // No finite text, or a rule that begins with itself.
    if (!(error instanceof RangeError)) throw error;
    const message = `Invalid schema at '${param}': it needs itself without end.`;
    throw new CodedError('invalid_schema', message, { param, cause: error });
  }
}

/** All text that the grammar itself writes. */
function literals({ root, rules }: Grammar): string {
  const of = (node: Node): string => {
    if (node.kind === 'text') return node.text;
    if (node.kind === 'all' || node.kind === 'any') return node.items.map(of).join('');
    return node.kind === 'many' ? of(node.item) : '';
  };
  return [root, ...rules.values()].map(of).join('');
}
