// Splits an answer into text and calls while it comes. The calls follow a grammar, so that their parts are
// found by walking along the form.
import type { CallDelta } from '../protocol.ts';
import type { CallForm } from './form.ts';

export type Split = { readonly text: string; readonly calls: readonly CallDelta[] };

type State = 'text' | 'open' | 'name' | 'arguments' | 'close';

export class CallReader {
  readonly #form: CallForm;
  readonly #begin: ((begun: string) => boolean) | null;
  #state: State;
  #held = '';
  #index = 0;
  #shown = false;
  #depth = 0;
  #quoted = false;
  #escaped = false;

  /** `begin` is told what was read where a call seems to begin, and says whether it is one; from then on
   *  the text must follow the form. Null: the answer is a call from its first character. */
  constructor(form: CallForm, begin: ((begun: string) => boolean) | null) {
    this.#form = form;
    this.#begin = begin;
    this.#state = begin === null ? 'open' : 'text';
  }

  push(piece: string): Split {
    this.#held += piece;
    const calls: CallDelta[] = [];
    let text = '';
    for (let before = ''; before !== `${this.#state}${this.#held}`; ) {
      before = `${this.#state}${this.#held}`;
      if (this.#state === 'text') text += this.#text();
      else this.#call(calls);
    }
    return { text, calls };
  }

  /** What was held back as a possible beginning of a call. */
  finish(): string {
    const text = this.#state === 'text' ? this.#held : '';
    this.#held = '';
    return text;
  }

  #text(): string {
    const { sign, anywhere, open } = this.#form;
    const at = this.#held.indexOf(sign);
    const first = this.#held.trimStart();
    if (at >= 0 && (anywhere || (!this.#shown && first.startsWith(sign)))) {
      const text = this.#held.slice(0, at);
      // Whatever blanks precede the sign, from here on the text follows the form.
      const begun = open.slice(0, open.indexOf(sign)) + this.#held.slice(at);
      if (this.#begin?.(begun) === true) {
        this.#held = begun;
        this.#state = 'open';
        return this.#shown ? text.trimEnd() : text.trim();
      }
      this.#held = this.#held.slice(at + sign.length);
      this.#shown = true;
      return text + sign;
    }
    const end = this.#held.length - this.#unsure();
    const text = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    this.#shown ||= text.trim() !== '';
    return text;
  }

  /** Length of the end that may be the beginning of a call, with the blanks before it. */
  #unsure(): number {
    const { sign, anywhere } = this.#form;
    const held = this.#held;
    for (let n = Math.min(sign.length - 1, held.length); n > 0; n--) {
      if (!sign.startsWith(held.slice(-n))) continue;
      const before = held.slice(0, -n);
      if (anywhere || (!this.#shown && before.trim() === ''))
        return n + before.length - before.trimEnd().length;
    }
    return held.length - held.trimEnd().length;
  }

  #call(calls: CallDelta[]): void {
    const { open, next, middle, close } = this.#form;
    if (this.#state === 'open') {
      const literal = this.#index === 0 ? open : next;
      if (this.#held.length < literal.length) return;
      this.#held = this.#held.slice(literal.length);
      this.#state = 'name';
    } else if (this.#state === 'name') {
      const end = this.#held.indexOf(middle);
      if (end < 0) return;
      calls.push({ index: this.#index, name: this.#held.slice(0, end), arguments: '' });
      this.#held = this.#held.slice(end + middle.length);
      this.#state = 'arguments';
    } else if (this.#state === 'arguments') {
      const index = this.#index;
      const end = this.#endOfArguments();
      const part = this.#held.slice(0, end);
      if (part !== '') calls.push({ index, arguments: part });
      this.#held = this.#held.slice(end);
    } else if (this.#state === 'close') {
      if (this.#held.length < close.length) return;
      this.#held = this.#held.slice(close.length);
      this.#state = 'open';
    }
  }

  /** Of the held text, what belongs to the arguments; the state moves on where they end. */
  #endOfArguments(): number {
    for (let i = 0; i < this.#held.length; i++) {
      const char = this.#held[i]!;
      if (this.#escaped) this.#escaped = false;
      else if (this.#quoted) {
        if (char === '\\') this.#escaped = true;
        if (char === '"') this.#quoted = false;
      } else if (char === '"') this.#quoted = true;
      else if (char === '{' || char === '[') this.#depth += 1;
      else if (char === '}' || char === ']') this.#depth -= 1;
      if (this.#depth === 0 && !this.#quoted) {
        this.#index += 1;
        this.#state = 'close';
        return i + 1;
      }
    }
    return this.#held.length;
  }
}
