// The last step of every reader: a record becomes a row unless one of its cells cannot stay as it is.
import { type Limits, problem, type TableItem } from './table.ts';

export function* asRow(
  file: string,
  line: number,
  row: number,
  values: Record<string, unknown>,
  limits: Limits,
): Generator<TableItem> {
  for (const [column, value] of Object.entries(values)) {
    if (typeof value !== 'string') continue;
    if (value.length > limits.cellCharacters) {
      const params = { length: value.length, limit: limits.cellCharacters };
      const extra = { path: column, raw: value.slice(0, 200) };
      return yield problem(file, line, 'data.cell_too_long', params, extra);
    }
    if (value.includes('\0')) {
      values[column] = value.replaceAll('\0', '');
      yield problem(file, line, 'data.nul', {}, { path: column, repaired: true });
    }
  }
  yield { kind: 'row', file, line, row, values };
}

/** Names for the columns of a header as pandas gives them: `Unnamed: 2`, and `a.1` for a second `a`. */
export function headerNames(cells: readonly string[]): { names: string[]; twice: string[] } {
  const names: string[] = [];
  const twice: string[] = [];
  for (const [i, cell] of cells.entries()) {
    const name = cell === '' ? `Unnamed: ${i}` : cell;
    let unique = name;
    for (let n = 1; names.includes(unique); n++) unique = `${name}.${n}`;
    if (unique !== name) twice.push(name);
    names.push(unique);
  }
  return { names, twice };
}
