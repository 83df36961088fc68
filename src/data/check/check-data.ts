// The whole check of a training file and, where there is one, its validation file: one pass over the
// rows, then the search for near-duplicates.
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import {
  type CounterName,
  type Counter as FormatCounter,
  FormatCounters,
} from '../analyse/counters.ts';
import { type Distribution, distribution, Numbers } from '../analyse/numbers.ts';
import { complies } from '../analyse/patterns.ts';
import { type View, viewOf } from '../analyse/view.ts';
import { readSample, ShapeError } from '../convert/read.ts';
import { type Shape, shapeOf } from '../convert/shapes.ts';
import { isObject, nameOf } from '../formats/chat.ts';
import { placeOf } from '../source/json-place.ts';
import { openSource, type Source, type SourceRow } from '../source/rows.ts';
import { Comparison } from './comparison.ts';
import { type Counter, isTemplateError } from './counter.ts';
import { FileChecks, type FileReport, type GeneralWords } from './file-checks.ts';
import { Faults, Findings } from './findings.ts';
import { checkRow, checkTexts, formatFaults } from './row-checks.ts';

export type CheckRequest = {
  readonly path: string;
  readonly valid: string | null;
  readonly sheet?: string | undefined;
  readonly encoding?: string | undefined;
  /** Search for near-duplicates. */
  readonly near: boolean;
  /** Rows that the classifier of unsafe content looks at; 0 for none. */
  readonly screen: number;
};

export type CheckParts = {
  readonly counter: Counter;
  /** True for unsafe text. */
  readonly unsafe: ((text: string) => string | null) | null;
  readonly general: GeneralWords;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
};
export type Progress = {
  readonly stage: 'rows' | 'near';
  readonly rows: number;
  readonly file: string;
};

export type Cut = { readonly line: number; readonly tokens: number; readonly over: number };
const MOST_CUTS = 10_000;

/** What is known of one file; the findings are said later, in a language. */
export type CheckedFile = {
  readonly path: string;
  readonly name: string;
  readonly format: string;
  readonly shape: Shape | null;
  readonly bytes: number;
  readonly sha256: string;
  /** All rows, and those that are sound. */
  readonly rows: number;
  readonly sound: number;
  readonly messages: Distribution | null;
  readonly tokens: Distribution | null;
  readonly assistant: Distribution | null;
  /** Tokens of an epoch, each row at most the context. */
  readonly tokensPerEpoch: number;
  readonly targetsPerEpoch: number;
  readonly cuts: readonly Cut[];
  readonly cutRows: number;
  readonly withoutSystem: number;
  readonly withoutUser: number;
  readonly counters: Readonly<Record<CounterName, FormatCounter>> | null;
  readonly whole: FileReport;
  readonly screened: number;
  readonly findings: Findings;
  readonly faults: Faults;
};

export type Checked = { readonly train: CheckedFile; readonly valid: CheckedFile | null };

export async function checkData(request: CheckRequest, parts: CheckParts): Promise<Checked> {
  const options = { sheet: request.sheet, encoding: request.encoding, signal: parts.signal };
  const comparison = new Comparison(request.near);
  const train = await openSource(request.path, options);
  try {
    const trainPass = new Pass(train, request, parts, comparison, 'training');
    await trainPass.run();
    const valid = request.valid === null ? null : await openSource(request.valid, options);
    try {
      const validPass = valid && new Pass(valid, request, parts, comparison, 'validation');
      await validPass?.run();
      if (request.near) parts.onProgress?.({ stage: 'near', rows: comparison.length, file: '' });
      await comparison.findNear(parts.signal);
      return {
        train: await trainPass.finish(parts),
        valid: validPass === null ? null : await validPass.finish(parts),
      };
    } finally {
      await valid?.close();
    }
  } finally {
    await train.close();
  }
}

type Role = 'training' | 'validation';

class Pass {
  readonly findings = new Findings();
  readonly faults = new Faults();
  readonly #source: Source;
  readonly #parts: CheckParts;
  readonly #comparison: Comparison;
  readonly #screen: number;
  readonly #role: Role;
  readonly #file = new FileChecks();
  readonly #counters = new FormatCounters();
  readonly #messages = new Numbers();
  readonly #tokens = new Numbers();
  readonly #assistant = new Numbers();
  readonly #cuts: Cut[] = [];
  #shape: Shape | null = null;
  #chat = false;
  #rows = 0;
  #sound = 0;
  #cutRows = 0;
  #tokensPerEpoch = 0;
  #targetsPerEpoch = 0;
  #withoutSystem = 0;
  #withoutUser = 0;
  #screened = 0;

  constructor(
    source: Source,
    request: CheckRequest,
    parts: CheckParts,
    comparison: Comparison,
    role: Role,
  ) {
    this.#source = source;
    this.#parts = parts;
    this.#comparison = comparison;
    this.#screen = request.screen;
    this.#role = role;
    comparison.begin(source, this.findings);
  }

  async run(): Promise<void> {
    const { signal, onProgress } = this.#parts;
    for await (const item of this.#source.items(signal)) {
      if (item.kind === 'problem') {
        this.faults.add(item, item.column);
        if (Number(item.params['inside'] ?? 0) > 0)
          this.findings.hit('no_break_space_inside', item.line);
        if (item.line > 0 && item.level === 'error' && !item.repaired) this.#rows += 1;
        continue;
      }
      this.#rows += 1;
      this.#row(item);
      if (this.#rows % PROGRESS_ROWS === 0)
        onProgress?.({ stage: 'rows', rows: this.#rows, file: this.#source.name });
    }
  }

  #row(item: SourceRow): void {
    const { line, value } = item;
    const shape = shapeOf(value);
    if (shape === 'chat' || (shape === null && this.#shape === null)) {
      this.#chat = true;
      this.#counters.row(value, line);
    } else if (this.#chat) this.#counters.row(value, line);
    if (shape === null) {
      const keys =
        typeof value === 'object' && value !== null ? Object.keys(value).slice(0, 5) : [];
      if (keys.includes('message')) {
        this.faults.add(
          { ...whole('data.unknown_format', line, {}), key: 'data.message_key' },
          this.#column(item, 'message'),
        );
        return;
      }
      // A table has columns of its own; that is no fault of its rows.
      if (TABLES.has(this.#source.format)) {
        this.findings.hit('needs_mapping', line);
        this.findings.set('needs_mapping', { columns: keys.join(', ') });
        this.#unmapped(item);
        return;
      }
      const got = isObject(value) ? keys.join(', ') : nameOf(value);
      this.faults.add(whole('data.unknown_format', line, { got }), this.#column(item, ''));
      return;
    }
    this.#shape ??= shape;
    if (shape !== this.#shape) {
      this.findings.hit('other_form', line, { line, first: this.#shape, got: shape });
      this.findings.set('other_form', { first: this.#shape });
      return;
    }
    let faulty = false;
    for (const fault of formatFaults(shape, value)) {
      faulty = true;
      this.faults.add({ ...fault, level: 'error', line }, this.#column(item, fault.path));
    }
    if (faulty) return;
    let taken: ReturnType<typeof readSample>;
    try {
      taken = readSample(shape, value);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      this.findings.hit('bad_row', line, { line, path: error.path, reason: error.message });
      this.findings.set('bad_row', { path: error.path, reason: error.message });
      return;
    }
    // An empty line of a text is a paragraph's end.
    if (taken.sample.kind === 'text' && taken.sample.text.trim() === '') {
      this.#sound += 1;
      return;
    }
    const view = viewOf(taken.sample);
    if (!this.#count(taken.sample, view, line)) return;
    this.#sound += 1;
    checkRow(taken.sample, view, line, this.findings);
    this.#file.add(taken.sample, view, line);
    // Short lines come again in any text: names of speakers, headings.
    if (view.prompt !== '' || view.messages !== null || view.answer.length >= SHORTEST_PARAGRAPH)
      this.#comparison.add(item, view, taken.sample.kind === 'preference');
    this.#unsafe(view, line);
  }

  /** A table whose columns mean nothing yet is looked through for people's data and unsafe text. */
  #unmapped({ line, value }: SourceRow): void {
    const texts = Object.values(value as object).filter((cell) => typeof cell === 'string');
    checkTexts(texts, line, this.findings);
    this.#screenTexts(texts, line, this.#rows);
  }

  /** Only where the line is the user's own: tables are spooled to lines of ours. */
  #column({ text }: SourceRow, path: string): number | null {
    return this.#source.format === 'jsonl' ? placeOf(text, path) + 1 : null;
  }

  #count(sample: Parameters<Counter['row']>[0], view: View, line: number): boolean {
    const { counter } = this.#parts;
    let counted: ReturnType<Counter['row']>;
    try {
      counted = counter.row(sample);
    } catch (error) {
      if (!isTemplateError(error)) throw error;
      this.findings.hit('not_printable', line, { line, reason: error.message });
      this.findings.set('not_printable', { reason: error.message });
      return false;
    }
    const { tokens, targets, assistant } = counted;
    this.#tokens.push(tokens);
    this.#assistant.push(assistant);
    const kept = Math.min(tokens, counter.contextLength);
    this.#tokensPerEpoch += kept;
    this.#targetsPerEpoch += Math.min(targets, kept);
    if (tokens > counter.contextLength) {
      this.#cutRows += 1;
      this.findings.hit('truncated_rows', line);
      if (this.#cuts.length < MOST_CUTS)
        this.#cuts.push({ line, tokens, over: tokens - counter.contextLength });
    }
    if (targets === 0) this.findings.hit('nothing_to_learn', line);
    if (view.messages !== null) {
      this.#messages.push(view.messages.length);
      if (!view.messages.some(({ role }) => role === 'system')) this.#withoutSystem += 1;
      if (!view.messages.some(({ role }) => role === 'user')) this.#withoutUser += 1;
    }
    return true;
  }

  #unsafe(view: View, line: number): void {
    const { unsafe } = this.#parts;
    if (!this.#screenTexts(view.texts, line, this.#sound) || unsafe === null) return;
    // The classifier alone is only a hint; that the answer sets about it makes it a demonstration.
    if (complies(view.answer) && view.asked.trim() !== '' && unsafe(view.asked) !== null)
      this.findings.hit('harmful_demonstration', line);
  }

  /** Evenly spread over what is read so far: all rows up to the limit, then one in 2, 4, 8 … False for
   *  rows that are left out. */
  #screenTexts(texts: readonly string[], line: number, row: number): boolean {
    const { unsafe } = this.#parts;
    if (unsafe === null || this.#screen === 0) return false;
    const stride = 2 ** Math.max(0, Math.ceil(Math.log2(row / this.#screen)));
    if (row % stride !== 0) return false;
    this.#screened += 1;
    for (const text of texts) {
      const category = text.trim() === '' ? null : unsafe(text);
      if (category === null) continue;
      this.findings.hit('unsafe_content', line, { line, category });
      break;
    }
    return true;
  }

  async finish({ counter, general }: CheckParts): Promise<CheckedFile> {
    const { findings, faults } = this;
    const whole = this.#file.finish(findings, counter, general);
    this.#judge();
    return {
      path: this.#source.path,
      name: this.#source.name,
      format: this.#source.format,
      shape: this.#shape,
      ...(await identity(this.#source.path)),
      rows: this.#rows,
      sound: this.#sound,
      messages: distribution(this.#messages),
      tokens: distribution(this.#tokens),
      assistant: distribution(this.#assistant),
      tokensPerEpoch: this.#tokensPerEpoch,
      targetsPerEpoch: this.#targetsPerEpoch,
      cuts: this.#cuts,
      cutRows: this.#cutRows,
      withoutSystem: this.#withoutSystem,
      withoutUser: this.#withoutUser,
      counters: this.#chat ? this.#counters.counters : null,
      whole,
      screened: this.#screened,
      findings,
      faults,
    };
  }

  #judge(): void {
    const { findings } = this;
    const { contextLength, name } = this.#parts.counter;
    const readable = findings.rows('needs_mapping') < this.#rows;
    if (this.#role === 'training' && this.#rows > 0 && readable) {
      if (this.#sound < MIN_ROWS) findings.set('too_few_rows', { rows: this.#sound });
      else if (this.#sound < FEW_ROWS) findings.set('few_rows', { rows: this.#sound });
    }
    if (this.#cutRows > 0)
      findings.set('truncated_rows', { context: contextLength, tokenizer: name });
    // Where most answers repeat the question, or come from an export with empty cells, that is the task.
    for (const code of ['prompt_in_answer', 'role_markers', 'null_answer'] as const)
      if (findings.rows(code) > Math.max(MOST_ODD, this.#sound * ODD_SHARE[code]))
        findings.drop(code);
    const refusals = findings.rows('refusal');
    if (refusals > 0) findings.set('refusal', { percent: share(refusals, this.#sound) });
    const boilerplate = findings.rows('boilerplate');
    if (boilerplate > 0) {
      if (boilerplate < this.#sound * 0.02) findings.drop('boilerplate');
      else findings.set('boilerplate', { percent: share(boilerplate, this.#sound) });
    }
    const uploadable = ['chat', 'completion', 'preference'];
    if (
      this.#shape !== null &&
      !(uploadable.includes(this.#shape) && this.#source.format === 'jsonl')
    )
      findings.set('foreign_format', { shape: this.#shape, format: this.#source.format });
  }
}

const TABLES = new Set(['csv', 'tsv', 'xlsx', 'parquet', 'txt']);

/** The service refuses fewer than ten; a few hundred are the usual advice. */
const MIN_ROWS = 10;
const FEW_ROWS = 100;
const PROGRESS_ROWS = 5000;
const SHORTEST_PARAGRAPH = 120;
const MOST_ODD = 5;
const ODD_SHARE = { prompt_in_answer: 0.5, role_markers: 0.5, null_answer: 0.2 } as const;

const share = (part: number, all: number) => ((100 * part) / Math.max(1, all)).toFixed(1);
const whole = (key: 'data.unknown_format', line: number, params: Record<string, string>) => ({
  key,
  level: 'error' as const,
  line,
  path: '',
  params,
});

async function identity(path: string): Promise<{ bytes: number; sha256: string }> {
  const { size } = await stat(path);
  const hash = createHash('sha256');
  if ((await stat(path)).isDirectory()) return { bytes: 0, sha256: '' };
  // One buffer for all: a stream would leave hundreds of them behind.
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return { bytes: size, sha256: hash.digest('hex') };
}
