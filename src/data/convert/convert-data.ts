// Converts a file of rows into another form, streaming, and counts what the new form cannot hold.
import { extname } from 'node:path';
import { CodedError } from '../../lib/coded-error.ts';
import { randomStream } from '../../lib/random.ts';
import { say as inEnglish, type Say } from '../../messages/say.ts';
import type { ProblemKey } from '../problems.ts';
import { type BadRow, badRow, badRows, MOST_BAD } from '../source/bad-rows.ts';
import { openSource } from '../source/rows.ts';
import { mapTexts } from '../source/texts.ts';
import { type RowWriter, type Written, writeRowsTo } from '../source/write-rows.ts';
import { registeredSet } from './dataset-info.ts';
import { fillPlaceholders } from './fill.ts';
import { type Loss, type LossKey, readSample, ShapeError } from './read.ts';
import { type Json, type Shape, shapeOf } from './shapes.ts';
import { type Target, type WriteOptions, writeSample } from './write.ts';

export type ConvertRequest = {
  readonly path: string;
  readonly sheet?: string | undefined;
  readonly encoding?: string | undefined;
  readonly set: string | null;
  readonly from: Shape | null;
  readonly to: Target;
  readonly output: string;
  readonly options: WriteOptions;
  readonly fill: Readonly<Record<string, string>>;
  readonly replace: readonly (readonly [string, string])[];
  readonly map: Readonly<Record<string, string>>;
  readonly sample: number | null;
  readonly seed: number;
  /** Leaves out rows that cannot be read; without it they stop the conversion. */
  readonly skipBad: boolean;
};

export type Converted = Written & {
  readonly from: Shape | null;
  readonly to: Target;
  readonly read: number;
  /** What is lost, and in how many rows. */
  readonly lost: readonly (Loss & { readonly rows: number })[];
  readonly skipped: readonly BadRow[];
  readonly placeholders_left: number;
};

export async function convertData(
  request: ConvertRequest,
  onRows: (rows: number) => void = () => {},
  say: Say = inEnglish,
): Promise<Converted> {
  const registry = /(^|[/\\])dataset_info[^/\\]*\.json$/.test(request.path)
    ? await registeredSet(request.path, request.set)
    : null;
  if (registry === null && request.set !== null)
    throw new CodedError('invalid_value', say('refusal.no_register'), {
      param: 'dataset',
    });
  const source = await openSource(registry?.path ?? request.path, request);
  const losses = new Map<string, Loss & { rows: number }>();
  const skipped: BadRow[] = [];
  let shape: Shape | null = request.from;
  let read = 0;
  let left = 0;
  let rows = 0;
  const change = textChange(request);
  const convert = (value: unknown): Json | null => {
    const renamed = renameKeys(registry === null ? value : registry.rename(value), request.map);
    const found = request.from ?? shapeOf(renamed);
    if (found === null)
      throw new ShapeError(
        '',
        say('rows.no_form', { keys: Object.keys(Object(renamed)).slice(0, 8).join(', ') || '–' }),
      );
    shape ??= found;
    const { sample, lost } = readSample(found, renamed);
    const written = writeSample(
      request.to,
      change === null ? sample : mapTexts(sample, change),
      request.options,
    );
    for (const item of [...lost, ...written.lost]) count(losses, item);
    if (written.row !== null && LEFT.test(JSON.stringify(written.row))) left += 1;
    return written.row;
  };
  const bad = (row: BadRow) => {
    skipped.push(row);
    if (!request.skipBad && skipped.length >= MOST_BAD) throw refused();
  };
  const refused = () => badRows(source.name, skipped, 'rows.convert_fix', say);
  try {
    const written = await writeRowsTo(request.output, async (writer) => {
      const sink = rowSink(request, writer);
      for await (const item of source.items()) {
        if (item.kind === 'problem') {
          if (item.level !== 'error') continue;
          const row = badRow(source.name, item, say);
          if (OVER_SEVERAL.includes(item.key))
            throw badRows(source.name, [row], 'rows.other_lines', say);
          bad(row);
          continue;
        }
        // Told as a problem already, and nobody has agreed to the repair.
        if (item.repaired) continue;
        read += 1;
        if (read % 10_000 === 0) onRows(read);
        try {
          const row = convert(item.value);
          if (row !== null) await sink.row(row);
        } catch (error) {
          if (!(error instanceof ShapeError)) throw error;
          const { path, message: reason } = error;
          bad({ line: item.line, column: null, file: null, path, reason });
        }
      }
      if (!request.skipBad && skipped.length > 0) throw refused();
      rows = await sink.end();
    });
    return {
      ...written,
      // Lines are something else: a header, a closing bracket.
      rows,
      from: shape,
      to: request.to,
      read,
      lost: [...losses.values()].toSorted((a, b) => b.rows - a.rows),
      skipped,
      placeholders_left: left,
    };
  } finally {
    await source.close();
  }
}

/** The line is that of the first row concerned: there is no telling which to leave out. */
const OVER_SEVERAL: readonly ProblemKey[] = ['data.mixed_encodings', 'data.merged_cells'];
const LEFT = /\{\{\s*(?:name|author)\s*\}\}|<(?:NAME|AUTHOR)>/;

function count(losses: Map<string, Loss & { rows: number }>, { key, params }: Loss): void {
  const named = params['key'];
  const id = `${key} ${named ?? ''}`;
  const known = losses.get(id);
  if (known === undefined) losses.set(id, { key: key as LossKey, params, rows: 1 });
  else known.rows += 1;
}

function renameKeys(row: unknown, map: Readonly<Record<string, string>>): unknown {
  if (
    Object.keys(map).length === 0 ||
    typeof row !== 'object' ||
    row === null ||
    Array.isArray(row)
  )
    return row;
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [map[key] ?? key, value]));
}

/** Fills `<NAME>` and `{{name}}`, then replaces texts, in the order given. */
function textChange({ fill, replace }: ConvertRequest): ((text: string) => string) | null {
  if (Object.keys(fill).length === 0 && replace.length === 0) return null;
  return (text) => {
    let out = fillPlaceholders(text, fill);
    for (const [old, value] of replace) out = out.replaceAll(old, () => value);
    return out;
  };
}

/** Turns rows into lines of the output's format: JSONL, a JSON list, CSV or TSV by the file's name. */
function rowSink({ output, sample, seed }: ConvertRequest, writer: RowWriter) {
  const lines = linesFor(extname(output).toLowerCase());
  const kept: { readonly order: number; readonly row: Json }[] = [];
  const random = randomStream(seed, 'sample');
  let seen = 0;
  return {
    async row(row: Json) {
      seen += 1;
      if (sample === null) {
        for (const line of lines.row(row)) await writer.line(line);
        return;
      }
      // Reservoir: every row has the same chance, however many there are.
      const place = Math.floor(random() * seen);
      if (kept.length < sample) kept.push({ order: seen, row });
      else if (place < sample) kept[place] = { order: seen, row };
    },
    async end() {
      for (const { row } of kept.toSorted((a, b) => a.order - b.order))
        for (const line of lines.row(row)) await writer.line(line);
      for (const line of lines.end()) await writer.line(line);
      return sample === null ? seen : kept.length;
    },
  };
}

function linesFor(extension: string) {
  if (extension === '.json') {
    let open = false;
    return {
      *row(row: Json) {
        yield `${open ? ',' : '['}${JSON.stringify(row)}`;
        open = true;
      },
      *end() {
        yield open ? ']' : '[]';
      },
    };
  }
  if (extension === '.csv' || extension === '.tsv') {
    const separator = extension === '.csv' ? ',' : '\t';
    let columns: readonly string[] | null = null;
    return {
      *row(row: Json) {
        if (columns === null) {
          columns = Object.keys(row);
          yield columns.map((name) => cell(name, separator)).join(separator);
        }
        yield columns.map((name) => cell(row[name], separator)).join(separator);
      },
      *end() {},
    };
  }
  return {
    *row(row: Json) {
      yield JSON.stringify(row);
    },
    *end() {},
  };
}

function cell(value: unknown, separator: string): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /["\r\n]/.test(text) || text.includes(separator) || text !== text.trim()
    ? `"${text.replaceAll('"', '""')}"`
    : text;
}
