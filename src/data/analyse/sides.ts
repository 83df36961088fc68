// How questions and answers of a whole file end, and which rows end otherwise: answers that break off, and
// rows whose sides have changed places.
import { Numbers } from './numbers.ts';
import type { View } from './view.ts';

export class Sides {
  #asked = 0;
  #questions = 0;
  #long = 0;
  /** Answers that end as questions, to prompts that do not. */
  readonly swapped = new Numbers(16);
  readonly unfinished = new Numbers(16);

  add({ asked, answer, messages }: View, line: number): void {
    const [question, said] = [asked.trimEnd().slice(-END), answer.trimEnd()];
    const end = said.slice(-END);
    // Further on in a conversation an answer may well ask.
    if (question !== '' && (messages?.length ?? 0) <= 3) {
      this.#asked += 1;
      if (QUESTION.test(question)) this.#questions += 1;
      else if (QUESTION.test(end)) this.swapped.push(line);
    }
    if (said.length < LONG) return;
    this.#long += 1;
    if (CUT.test(end) || said.split('```').length % 2 === 0) this.unfinished.push(line);
  }

  /** Only what is rare among many rows tells of damage. */
  get oddlySwapped(): boolean {
    return (
      this.#asked >= MANY &&
      this.#questions >= this.#asked * 0.6 &&
      this.swapped.length <= this.#asked * RARE
    );
  }

  get oddlyUnfinished(): boolean {
    return this.#long >= MANY && this.unfinished.length <= this.#long * RARE;
  }
}

const MANY = 20;
const RARE = 0.05;
const LONG = 30;
const END = 6;
const QUESTION = /[?？][)"'”’」\]\s]*$/;
/** A letter or what stands inside sentences only. */
const CUT = /[\p{L},，、;；:：\-–—(（]$/u;
