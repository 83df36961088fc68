// Plain text: a row for each line, the empty ones too; what stands behind the last line end is no row.
import type { Utf8Text } from './encoding.ts';
import { splitLines } from './lines.ts';
import { asRow } from './row.ts';
import { type Limits, problem, type TableItem } from './table.ts';

export async function* readTxt(
  { file, chunks, problems }: Utf8Text,
  limits: Limits,
): AsyncGenerator<TableItem> {
  for await (const { line, bytes, length } of splitLines(chunks, limits.recordBytes)) {
    yield* problems.splice(0);
    if (bytes === null) {
      yield problem(file, line, 'data.cell_too_long', { length, limit: limits.cellCharacters });
      continue;
    }
    const text = bytes.toString();
    const values = { text: text.endsWith('\r') ? text.slice(0, -1) : text };
    yield* asRow(file, line, line, values, limits);
  }
  yield* problems.splice(0);
}
