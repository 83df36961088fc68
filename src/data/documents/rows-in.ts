// Rows of a file as a model is to be asked about them; those that hold nothing to ask are told by line.
import type { Say } from '../../messages/say.ts';
import { explain } from '../problems.ts';
import { openSource, type SourceOptions } from '../source/rows.ts';

/** `take` returns null for a row that holds nothing to ask. */
export async function rowsIn<T extends object>(
  { path, ...options }: { readonly path: string } & SourceOptions,
  say: Say,
  take: (row: unknown) => T | null,
) {
  const source = await openSource(path, options);
  const items: ({ readonly line: number } & T)[] = [];
  const leftOut: number[] = [];
  const notes: string[] = [];
  try {
    for await (const item of source.items()) {
      if (item.kind === 'row') {
        const taken = take(item.value);
        if (taken === null) leftOut.push(item.line);
        else items.push({ line: item.line, ...taken });
        continue;
      }
      if (item.level === 'error') leftOut.push(item.line);
      notes.push(`${item.line}: ${explain(item, say).what}`);
    }
    return { items, leftOut, notes };
  } finally {
    await source.close();
  }
}
