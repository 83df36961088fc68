// What was paid for and is no row, kept beside the output: nothing is lost.
import { rm } from 'node:fs/promises';
import { writeRowsTo } from '../source/write-rows.ts';

/** Returns where it is; null when there is nothing, and then none of an earlier run stays either. */
export async function writeRejected(
  output: string,
  items: readonly object[],
): Promise<string | null> {
  const path = `${output}.rejected.jsonl`;
  if (items.length === 0) {
    await rm(path, { force: true });
    return null;
  }
  await writeRowsTo(path, async (writer) => {
    for (const item of items) await writer.line(JSON.stringify(item));
  });
  return path;
}
