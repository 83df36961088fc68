// All inputs of one run as one table: opened, announced, read row by row. Problems are collected for
// the one who decides whether they are repaired.
import type { Say } from '../../messages/say.ts';
import {
  readTable,
  type Table,
  type TableOptions,
  type TablePart,
} from '../read-table/read-table.ts';
import type { TableSource } from '../read-table/source.ts';
import { problem, type TableItem, type TableProblem } from '../read-table/table.ts';

export type Input = {
  /** The first file, which the outputs are named after. */
  readonly name: string;
  readonly parts: readonly TablePart[];
  readonly columns: readonly string[];
  /** One plain file, which a job could be given as it is: no folder, archive or stream. */
  readonly plain: boolean;
  readonly items: AsyncIterable<TableItem>;
  readonly close: () => Promise<void>;
};

export async function openInput(
  sources: readonly TableSource[],
  options: TableOptions,
  rename: ((row: unknown) => unknown) | null,
): Promise<Input> {
  const tables: Table[] = [];
  const close = async () => {
    for (const table of tables) await table.close();
  };
  try {
    for (const source of sources) tables.push(await readTable(source, options));
  } catch (error) {
    await close();
    throw error;
  }
  const [first] = sources;
  if (first === undefined) throw new Error('prepare needs an input');
  const columns = [...new Set(tables.flatMap((table) => table.columns))];
  const name = first.name ?? ('path' in first ? first.path : '');
  const parts = tables.flatMap((table) => table.parts);
  return {
    name,
    parts,
    plain: parts.length === 1 && 'path' in first && parts[0]?.file === name,
    columns:
      rename === null
        ? columns
        : Object.keys(renamed(Object.fromEntries(columns.map((name) => [name, ''])), rename)),
    items: joined(tables, rename),
    close,
  };
}

const renamed = (values: Readonly<Record<string, unknown>>, rename: (row: unknown) => unknown) =>
  rename(values) as Record<string, unknown>;

async function* joined(
  tables: readonly Table[],
  rename: ((row: unknown) => unknown) | null,
): AsyncGenerator<TableItem> {
  const first = tables[0]?.columns.join(', ') ?? '';
  for (const table of tables) {
    const columns = table.columns.join(', ');
    const file = table.parts[0]!.file;
    if (columns !== first) yield problem(file, 0, 'data.other_columns', { columns, first });
    for await (const item of table.items)
      yield rename === null || item.kind === 'problem'
        ? item
        : { ...item, values: renamed(item.values, rename) };
  }
}

/** What the first lines of the output say about format, sheets and encoding; and what must be done. */
export function announce(
  { parts, plain }: Input,
  say: Say,
  options: TableOptions,
): { lines: string[]; necessary: string[] } {
  const lines: string[] = [];
  const necessary: string[] = [];
  const [part] = parts;
  if (part === undefined) throw new Error('a table has a part');
  if (parts.length > 1)
    lines.push(
      say('prepare.files', {
        count: parts.length,
        first: part.file,
        last: parts.at(-1)!.file,
      }),
    );
  const format = formatLine(part, say);
  if (format.line !== null) lines.push(format.line);
  if (format.convert !== null) necessary.push(say('prepare.convert', { format: format.convert }));
  if (part.sheets.length > 1 && options.sheet === undefined)
    lines.push(
      say('prepare.sheets', { sheet: part.sheets[0]!, sheets: part.sheets.slice(1).join(', ') }),
    );
  const labels = new Set<string>();
  for (const { encoding } of parts) {
    if (encoding === null || labels.has(encoding.label)) continue;
    labels.add(encoding.label);
    const label = `${encoding.label.toUpperCase()}${encoding.bom ? ' (BOM)' : ''}`;
    if (encoding.given) lines.push(say('prepare.encoding_given', { label }));
    else if (encoding.label === 'mixed') lines.push(say('prepare.encoding_mixed'));
    else if (encoding.label === 'windows-1252')
      lines.push(say('prepare.encoding_guess', { label }));
    else lines.push(say('prepare.encoding', { label }));
  }
  const foreign = [...labels].some((label) => label !== 'utf-8');
  if (foreign && format.convert === null) necessary.push(say('prepare.convert_encoding'));
  if (!plain && necessary.length === 0) necessary.push(say('prepare.one_file'));
  return { lines, necessary };
}

/** The legacy command's words; JSON under a JSONL name and the other way round. */
function formatLine({ file, format }: TablePart, say: Say) {
  const extension = /\.(\w+)(\.gz)?$/.exec(file)?.[1]?.toLowerCase() ?? '';
  const upper = format.toUpperCase();
  if (format === 'jsonl') {
    if (extension === 'json') return { line: say('prepare.format_json_lines'), convert: 'JSON' };
    return { line: null, convert: null };
  }
  if (format === 'json') {
    const line =
      extension === 'jsonl' ? say('prepare.format_lines_json') : say('prepare.format_json');
    return { line, convert: 'JSON' };
  }
  const excel = format === 'xlsx';
  const named = extension === format || (excel && ['xlsm', 'xls', 'ods'].includes(extension));
  if (!named) return { line: say('prepare.format_found', { format: upper }), convert: upper };
  if (excel) return { line: say('prepare.format_excel'), convert: upper };
  if (format === 'txt') return { line: say('prepare.format_text'), convert: upper };
  return { line: say('prepare.format', { format: upper }), convert: upper };
}

/** Errors that stop the run unless they are repaired, and remarks that do not. */
export class Problems {
  readonly repaired: TableProblem[] = [];
  readonly aside: TableProblem[] = [];
  readonly notes: TableProblem[] = [];
  add(item: TableProblem): void {
    if (item.level === 'note') this.notes.push(item);
    else if (item.repaired) this.repaired.push(item);
    else this.aside.push(item);
  }
  get errors(): number {
    return this.repaired.length + this.aside.length;
  }
}
