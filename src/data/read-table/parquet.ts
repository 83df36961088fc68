// Parquet, row group after row group.
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { asRow } from './row.ts';
import type { Part } from './source.ts';
import { type Limits, TableError, type TableItem } from './table.ts';

export async function* readParquet(part: Part, limits: Limits): AsyncGenerator<TableItem> {
  let row = 0;
  const { file } = part;
  try {
    const buffer = await asyncBufferFromFile(await part.local());
    const metadata = await parquetMetadataAsync(buffer);
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const records = await parquetReadObjects({
        file: buffer,
        metadata,
        rowStart,
        rowEnd,
        compressors,
      });
      for (const record of records) {
        row += 1;
        const values = Object.fromEntries(
          Object.entries(record).map(([name, value]) => [name, plain(value)]),
        );
        yield* asRow(file, row, row, values, limits);
      }
      rowStart = rowEnd;
    }
  } catch (error) {
    if (error instanceof TableError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new TableError(file, 'data.damaged_parquet', { reason }, { line: row, cause: error });
  }
}

/** What JSON could hold: whole numbers that fit, text for those that do not. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint')
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value)) {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
    return Array.from(value as unknown as ArrayLike<number | bigint>, plain);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
