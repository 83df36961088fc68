// Tokens to text while they come: a character is never cut in two, and a stop string is never shown,
// not even the beginning of one.

/** `Mark` is what the caller wants to know of a token (its log-probability) with the token's text. */
export class OutputText<Mark> {
  #stop: readonly string[];
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // keeps incomplete characters
  #held = '';
  #released = 0; // characters handed out so far
  #marks: { readonly start: number; readonly mark: Mark }[] = [];
  stopped = false;

  constructor(stop: readonly string[]) {
    this.#stop = stop.filter((text) => text !== '');
  }

  /** The text that may be shown now, and the marks of the tokens that begin in it. */
  push(bytes: Uint8Array, mark: Mark): { text: string; marks: Mark[] } {
    this.#marks.push({ start: this.#released + this.#held.length, mark });
    this.#held += this.#decoder.decode(bytes, { stream: true });
    const end = this.#firstStop();
    if (end >= 0) {
      this.stopped = true;
      this.#held = this.#held.slice(0, end);
      this.#marks = this.#marks.filter(({ start }) => start < this.#released + end);
      return this.#release(end);
    }
    return this.#release(this.#held.length - this.#unsure());
  }

  /** What was held back; call it once, at the end. */
  finish(): { text: string; marks: Mark[] } {
    if (!this.stopped) this.#held += this.#decoder.decode();
    const { text, marks } = this.#release(this.#held.length);
    // A last token without a character of its own (the rest of a broken one) still counts.
    return { text, marks: [...marks, ...this.#marks.splice(0).map(({ mark }) => mark)] };
  }

  #firstStop(): number {
    const found = this.#stop.map((stop) => this.#held.indexOf(stop)).filter((at) => at >= 0);
    return found.length === 0 ? -1 : Math.min(...found);
  }

  /** Length of the longest end of the held text that may be the beginning of a stop string. */
  #unsure(): number {
    let longest = 0;
    for (const stop of this.#stop) {
      for (let n = Math.min(stop.length - 1, this.#held.length); n > longest; n--) {
        if (stop.startsWith(this.#held.slice(-n))) longest = n;
      }
    }
    return longest;
  }

  #release(length: number): { text: string; marks: Mark[] } {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    this.#released += length;
    const ready = this.#marks.findIndex(({ start }) => start >= this.#released);
    const marks = this.#marks.splice(0, ready < 0 ? this.#marks.length : ready);
    return { text, marks: marks.map(({ mark }) => mark) };
  }
}
