// A sheet of a workbook (XLSX, XLSM, XLS): the values that were saved with it. Formulas are not
// computed and macros not run; what that leaves open is reported cell by cell.
import { readFile, stat } from 'node:fs/promises';
import { type CellObject, read, utils, type WorkBook, type WorkSheet } from '@e965/xlsx';
import { asRow, headerNames } from './row.ts';
import { firstOf, type Part } from './source.ts';
import { type Limits, problem, TableError, type TableItem } from './table.ts';
import { zipEntries } from './zip.ts';

/** Fills `sheets` with the names of all sheets before the first row. */
export async function* readXlsx(
  part: Part,
  wanted: string | undefined,
  limits: Limits,
  sheets: string[],
): AsyncGenerator<TableItem> {
  const { file } = part;
  const path = await part.local();
  yield* macros(path, file, await firstOf(part.open(), 4));
  const book = await open(path, file, limits);
  sheets.push(...book.SheetNames);
  const name = sheetName(book, wanted, file);
  yield* rows(book.Sheets[name]!, name, file, limits);
}

async function* macros(path: string, file: string, head: Buffer): AsyncGenerator<TableItem> {
  if (head[0] !== 0x50) return;
  const entries = await zipEntries(path, file);
  if (entries.some((entry) => entry.encrypted)) throw new TableError(file, 'data.password');
  if (entries.some((entry) => /vbaProject\.bin$/.test(entry.name)))
    yield problem(file, 0, 'data.macros', {}, { level: 'note' });
}

async function open(path: string, file: string, limits: Limits): Promise<WorkBook> {
  const { size } = await stat(path);
  if (size > limits.wholeBytes)
    throw new TableError(file, 'data.too_big_whole', { bytes: size, limit: limits.wholeBytes });
  const bytes = await readFile(path);
  // An encrypted workbook is an OLE file with this stream in it.
  if (bytes[0] === 0xd0 && bytes.includes(Buffer.from('EncryptedPackage', 'utf16le')))
    throw new TableError(file, 'data.password');
  try {
    return read(bytes, {
      dense: true,
      cellFormula: true,
      cellDates: true,
      sheetStubs: true,
      UTC: true,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (/password/i.test(reason)) throw new TableError(file, 'data.password');
    throw new TableError(file, 'data.damaged_workbook', { reason }, { cause: error });
  }
}

function sheetName(book: WorkBook, wanted: string | undefined, file: string): string {
  const names = book.SheetNames;
  const name =
    wanted === undefined
      ? names[0]
      : (names.find((sheet) => sheet === wanted) ??
        (/^\d+$/.test(wanted) ? names[Number(wanted) - 1] : undefined));
  if (name !== undefined) return name;
  throw new TableError(file, 'data.no_sheet', { sheet: wanted ?? '1', known: names.join(', ') });
}

type Cells = readonly (CellObject | undefined)[];

function* rows(sheet: WorkSheet, name: string, file: string, limits: Limits): Generator<TableItem> {
  // A copy without holes: a sheet keeps none of its empty rows.
  const data = Array.from((sheet['!data'] ?? []) as readonly (Cells | undefined)[]);
  let last = data.length - 1;
  while (last >= 0 && isEmpty(data[last])) last -= 1;
  const first = data.findIndex((cells) => !isEmpty(cells));
  if (first < 0) throw new TableError(file, 'data.empty_sheet', { sheet: name });
  yield* fillMerged(sheet, data, name, file);
  let width = 0;
  for (const cells of data) width = Math.max(width, usedWidth(cells ?? []));
  const head = Array.from({ length: width }, (_, i) => textOf(data[first]?.[i]));
  const { names, twice } = headerNames(head);
  for (const column of twice)
    yield problem(
      file,
      first + 1,
      'data.column_twice',
      { name: column },
      { level: 'note', path: column },
    );
  for (let r = first + 1, row = 1; r <= last; r++, row++) {
    const values: Record<string, unknown> = {};
    for (const [c, column] of names.entries()) {
      const cell = data[r]?.[c];
      const at = `${name}!${utils.encode_cell({ r, c })}`;
      if (cell?.t === 'z' && cell.f !== undefined)
        yield problem(
          file,
          r + 1,
          'data.formula_without_value',
          { at },
          { path: column, repaired: true },
        );
      if (cell?.t === 'e')
        yield problem(
          file,
          r + 1,
          'data.cell_error',
          { at, error: String(cell.w ?? cell.v) },
          { path: column, repaired: true },
        );
      values[column] = cellValue(cell);
    }
    yield* asRow(file, r + 1, row, values, limits);
  }
}

/** Excel keeps a merged range's value in its first cell only; every row of it gets that value. */
function* fillMerged(
  sheet: WorkSheet,
  data: readonly (Cells | undefined)[],
  name: string,
  file: string,
): Generator<TableItem> {
  for (const range of sheet['!merges'] ?? []) {
    const value = data[range.s.r]?.[range.s.c];
    if (value === undefined || value.t === 'z') continue;
    const at = `${name}!${utils.encode_range(range)}`;
    yield problem(file, range.s.r + 1, 'data.merged_cells', { at }, { repaired: true });
    for (let { r } = range.s; r <= Math.min(range.e.r, data.length - 1); r++) {
      const cells = data[r] as (CellObject | undefined)[] | undefined;
      for (let { c } = range.s; cells !== undefined && c <= range.e.c; c++) cells[c] = value;
    }
  }
}

const isEmpty = (cells: Cells | undefined) => !(cells ?? []).some(holds);
const holds = (cell: CellObject | undefined) =>
  cell !== undefined && (cell.t !== 'z' || cell.f !== undefined) && cell.v !== '';

function usedWidth(cells: Cells): number {
  let width = cells.length;
  while (width > 0 && !holds(cells[width - 1])) width -= 1;
  return width;
}

function cellValue(cell: CellObject | undefined): unknown {
  if (cell === undefined || cell.t === 'z' || cell.t === 'e') return '';
  return cell.v instanceof Date ? dateText(cell.v) : (cell.v ?? '');
}

const textOf = (cell: CellObject | undefined) => String(cellValue(cell));

const dateText = (date: Date) => date.toISOString().slice(0, 19).replace('T', ' ');
