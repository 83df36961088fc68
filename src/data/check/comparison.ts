// What rows are compared with, over the training and the validation file: exact copies, the same question
// with another answer, and near copies, for which likely pairs are read again.
import { HashTable, hashText } from '../analyse/hash-table.ts';
import { NEAR, NearDuplicates } from '../analyse/near.ts';
import { Numbers } from '../analyse/numbers.ts';
import { type View, viewOf } from '../analyse/view.ts';
import { readSample } from '../convert/read.ts';
import { shapeOf } from '../convert/shapes.ts';
import { rowReader, type Source, type SourceRow } from '../source/rows.ts';
import type { Findings } from './findings.ts';

/** Rows are numbered from 0 over both files. */
export class Comparison {
  #rows = new HashTable();
  #inputs = new HashTable();
  /** Half a hash of each row's answer. */
  readonly #answers = new Numbers();
  readonly #lines = new Numbers();
  readonly #files: File[] = [];
  readonly #near: NearDuplicates | null;

  /** `near`: search for near copies too. */
  constructor(near: boolean) {
    this.#near = near ? new NearDuplicates() : null;
  }

  get length(): number {
    return this.#lines.length;
  }

  /** The rows that come now are of `source`: first the training file, then the validation file. */
  begin(source: Source, findings: Findings): void {
    const [offsets, bytes] = [new Float64List(), new Numbers()];
    this.#files.push({ source, findings, offsets, bytes, first: this.#lines.length });
  }

  /** `pair`: a row of preferences, where one question has two answers. */
  add({ line, offset, bytes }: SourceRow, view: View, pair: boolean): void {
    const row = this.#lines.length;
    const file = this.#files.at(-1)!;
    const input = `${view.system ?? ''}\u0000${view.prompt}`;
    const answer = hashText(normal(view.answer));
    const all = hashText(
      pair || view.answers.length > 1
        ? [...view.texts, ...view.given].join('\u0000')
        : `${input}\u0000${view.answer}`,
    );
    this.#lines.push(line);
    this.#answers.push(answer[1]);
    file.offsets.push(offset);
    file.bytes.push(bytes);
    const same = this.#rows.putFirst(all, row);
    const asked =
      view.prompt.trim() === '' ? null : this.#inputs.putFirst(hashText(normal(input), 1), row);
    if (same !== null) {
      const code = same < file.first ? 'leakage' : 'duplicate_exact';
      file.findings.hit(code, line, { line, like: this.#lines.at(same) });
      return;
    }
    if (asked !== null && !pair && this.#answers.at(asked) !== answer[1]) {
      const leaks = asked < file.first;
      const detail = { line, like: this.#lines.at(asked) };
      file.findings.hit(leaks ? 'leakage' : 'conflicting_answers', line, detail);
      if (leaks) return;
    }
    this.#near?.add(row, nearText(view));
  }

  /** To be called once, after all rows. */
  async findNear(signal?: AbortSignal): Promise<void> {
    // 50 MB for a million rows, which this search needs more.
    this.#rows = new HashTable();
    this.#inputs = new HashTable();
    if (this.#near === null) return;
    const readers = await Promise.all(this.#files.map(({ source }) => rowReader(source.jsonl)));
    const fileOf = (row: number) => this.#files.findLastIndex(({ first }) => row >= first);
    try {
      const textOf = async (row: number) => {
        const which = fileOf(row);
        const { offsets, bytes, first } = this.#files[which]!;
        const text = await readers[which]!.read(offsets.at(row - first), bytes.at(row - first));
        const value: unknown = JSON.parse(text);
        return nearText(viewOf(readSample(shapeOf(value)!, value).sample));
      };
      for (const { row, like } of await this.#near.find(textOf, signal)) {
        const { findings, first } = this.#files[fileOf(row)]!;
        const line = this.#lines.at(row);
        const code = like < first ? 'leakage_near' : 'duplicate_near';
        findings.hit(code, line, { line, like: this.#lines.at(like) });
      }
      for (const { findings } of this.#files)
        for (const code of ['duplicate_near', 'leakage_near'] as const)
          if (findings.rows(code) > 0) findings.set(code, { share: NEAR * 100 });
    } finally {
      await Promise.all(readers.map((reader) => reader.close()));
    }
  }
}

type File = {
  readonly source: Source;
  readonly findings: Findings;
  /** Where each row stands in `source.jsonl`. */
  readonly offsets: Float64List;
  readonly bytes: Numbers;
  /** Number of its first row. */
  readonly first: number;
};

class Float64List {
  #values = new Float64Array(1024);
  #length = 0;
  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }
  at(index: number): number {
    return this.#values[index]!;
  }
}

/** Case and white space decide nothing in ordinary questions; in short ones they may. */
const normal = (text: string) =>
  text.length < 12 || text.length > 2000
    ? text.trim()
    : text.trim().toLowerCase().replaceAll(SPACES, ' ');
const SPACES = /\s+/g;

/** Without the system message, which many rows share. */
const nearText = ({ prompt, answer }: View) => `${prompt}\n${answer}`;
