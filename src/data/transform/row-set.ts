// Rows on disk and their order in memory: 12 bytes a row, however long the rows are.
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { say as inEnglish } from '../../messages/say.ts';
import { type BadRow, badRow, badRows, MOST_BAD } from '../source/bad-rows.ts';
import { removeOnExit } from '../source/left-over.ts';
import { openSource, rowReader, type SourceOptions } from '../source/rows.ts';
import { rowWriter } from '../source/write-rows.ts';

export class RowSet {
  readonly #scratch: Scratch;
  readonly #path: string;
  readonly #offsets: Float64Array;
  readonly #bytes: Uint32Array;
  /** Line of each row in the input it came from. */
  readonly lines: Uint32Array;

  constructor(
    scratch: Scratch,
    path: string,
    offsets: readonly number[],
    bytes: readonly number[],
    lines: readonly number[],
  ) {
    this.#scratch = scratch;
    this.#path = path;
    this.#offsets = Float64Array.from(offsets);
    this.#bytes = Uint32Array.from(bytes);
    this.lines = Uint32Array.from(lines);
  }

  get rows(): number {
    return this.lines.length;
  }

  async text(row: number): Promise<string> {
    return (await this.#scratch.reader(this.#path)).read(this.#offsets[row]!, this.#bytes[row]!);
  }

  async value(row: number): Promise<unknown> {
    return JSON.parse(await this.text(row));
  }

  /** The same rows in another order, or fewer, or some of them twice. */
  picked(order: readonly number[]): RowSet {
    return new RowSet(
      this.#scratch,
      this.#path,
      order.map((row) => this.#offsets[row]!),
      order.map((row) => this.#bytes[row]!),
      order.map((row) => this.lines[row]!),
    );
  }
}

/** A folder for intermediate files, gone afterwards, and the files that are open in it. */
export class Scratch {
  readonly folder: string;
  readonly #readers = new Map<string, ReturnType<typeof rowReader>>();
  constructor(folder: string) {
    this.folder = folder;
  }

  reader(path: string): ReturnType<typeof rowReader> {
    const known = this.#readers.get(path) ?? rowReader(path);
    this.#readers.set(path, known);
    return known;
  }

  async close(): Promise<void> {
    for (const reader of this.#readers.values()) await (await reader).close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export async function withScratch<T>(use: (scratch: Scratch) => Promise<T>): Promise<T> {
  const scratch = new Scratch(mkdtempSync(join(tmpdir(), 'tunery-transform-')));
  const gone = removeOnExit(scratch.folder);
  try {
    return await use(scratch);
  } finally {
    await scratch.close();
    gone();
  }
}

/** Copies the input to JSONL of its own, so that every later step can go back to any row. Throws
 *  CodedError on rows that cannot be read: a transformation must not lose rows in silence. */
export async function rowSetOf(
  input: string,
  scratch: Scratch,
  name: string,
  options: SourceOptions,
): Promise<RowSet> {
  const { say = inEnglish } = options;
  const source = await openSource(input, options);
  const bad: BadRow[] = [];
  try {
    return await collect(scratch, name, async (add) => {
      for await (const item of source.items(options.signal)) {
        if (item.kind === 'row') await add(JSON.stringify(item.value), item.line);
        else if (item.level === 'error') bad.push(badRow(source.name, item, say));
        if (bad.length >= MOST_BAD) break;
      }
      if (bad.length > 0) throw badRows(source.name, bad, 'rows.transform_fix', say);
    });
  } finally {
    await source.close();
  }
}

/** A new set from rows that `produce` adds. */
export async function collect(
  scratch: Scratch,
  name: string,
  produce: (add: (text: string, line: number) => Promise<void>) => Promise<void>,
): Promise<RowSet> {
  const path = join(scratch.folder, `${name}.jsonl`);
  const writer = await rowWriter(path);
  const [offsets, bytes, lines]: number[][] = [[], [], []];
  let offset = 0;
  try {
    await produce(async (text, line) => {
      const size = Buffer.byteLength(text);
      offsets!.push(offset);
      bytes!.push(size);
      lines!.push(line);
      offset += size + 1;
      await writer.line(text);
    });
    await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return new RowSet(scratch, path, offsets!, bytes!, lines!);
}
