// CSV and TSV: quoted cells with line ends in them, ragged rows, any of the usual separators.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CsvError, type Info, parse } from 'csv-parse';
import type { Utf8Text } from './encoding.ts';
import { asRow, headerNames } from './row.ts';
import { excerpt, type Limits, problem, TableError, type TableItem } from './table.ts';

type Parsed = { readonly record: string[]; readonly info: Info };

export async function* readCsv(
  text: Utf8Text,
  format: 'csv' | 'tsv',
  limits: Limits,
): AsyncGenerator<TableItem> {
  const { file, problems } = text;
  const source = await withHead(text.chunks);
  const delimiter = format === 'tsv' ? '\t' : separatorOf(source.head);
  let header: string[] | null = null;
  let row = 0;
  for await (const { record, info } of records(source.all, delimiter, file, limits)) {
    yield* problems.splice(0);
    const line = info.lines - newlines(record);
    if (header === null) {
      const { names, twice } = headerNames(record);
      header = names;
      for (const name of twice)
        yield problem(file, line, 'data.column_twice', { name }, { level: 'note', path: name });
      continue;
    }
    row += 1;
    const cells = record.length;
    if (cells > header.length) {
      const params = { cells, columns: header.length };
      const raw = excerpt(JSON.stringify(record));
      yield problem(file, line, 'data.too_many_cells', params, { raw });
      continue;
    }
    if (cells < header.length) {
      const params = { cells, columns: header.length };
      yield problem(file, line, 'data.too_few_cells', params, { repaired: true });
    }
    const stray = record.findIndex((cell) => cell.startsWith('"') && /[^"]"|"[^"]/.test(cell));
    if (stray >= 0 && delimiter !== '\t') {
      const path = header[stray]!;
      yield problem(file, line, 'data.stray_quote', {}, { path, repaired: true });
    }
    const values: Record<string, unknown> = {};
    for (const [i, name] of header.entries()) values[name] = record[i] ?? '';
    yield* asRow(file, line, row, values, limits);
  }
  yield* problems.splice(0);
  if (header === null) throw new TableError(file, 'data.empty_table');
}

async function* records(
  chunks: AsyncIterable<Buffer>,
  delimiter: string,
  file: string,
  { recordBytes }: Limits,
): AsyncGenerator<Parsed> {
  const parser = parse({
    delimiter,
    info: true,
    relax_quotes: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: recordBytes,
  });
  const fed = pipeline(Readable.from(chunks, { objectMode: false }), parser).catch(() => {});
  let last = 0;
  try {
    for await (const parsed of parser as AsyncIterable<Parsed>) {
      last = parsed.info.lines;
      yield parsed;
    }
  } catch (error) {
    const { code } = error as CsvError;
    const line = last + 1;
    if (code === 'CSV_QUOTE_NOT_CLOSED' || code === 'CSV_MAX_RECORD_SIZE')
      throw new TableError(file, 'data.open_quote', {}, { line, cause: error });
    throw error;
  } finally {
    parser.destroy();
    await fed;
  }
}

const newlines = (record: readonly string[]) =>
  record.reduce((sum, cell) => sum + (cell.includes('\n') ? cell.split('\n').length - 1 : 0), 0);

/** Excel writes a semicolon where the comma is the decimal sign, and a tab as "Unicode text". */
function separatorOf(head: Buffer): string {
  const [line = ''] = head
    .toString()
    .replace(/"[^"]*"/g, '')
    .split(/\r|\n/);
  const count = (character: string) => line.split(character).length - 1;
  const best = [',', ';', '\t', '|'].reduce((a, b) => (count(b) > count(a) ? b : a));
  return best;
}

async function withHead(
  chunks: AsyncIterable<Buffer>,
): Promise<{ head: Buffer; all: AsyncIterable<Buffer> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done ? Buffer.alloc(0) : first.value;
  async function* all() {
    if (head.length > 0) yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head, all: all() };
}
