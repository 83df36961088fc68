// Cuts bytes at line feeds, in constant memory. Carriage returns stay: they may be inside a quoted cell.

export type ByteLine = {
  /** From 1. */
  readonly line: number;
  /** Without the line feed; null for a line that is longer than the limit. */
  readonly bytes: Buffer | null;
  readonly length: number;
  readonly ended: boolean;
};

export async function* splitLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<ByteLine> {
  let line = 0;
  let pending: Buffer[] = [];
  let length = 0;
  const keep = (part: Buffer) => {
    length += part.length;
    if (length > maxBytes) pending = [];
    else if (part.length > 0) pending.push(part);
  };
  const flush = (ended: boolean): ByteLine => {
    line += 1;
    const bytes = pending.length === 1 ? pending[0]! : Buffer.concat(pending);
    const item = { line, bytes: length > maxBytes ? null : bytes, length, ended };
    pending = [];
    length = 0;
    return item;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, at));
      from = at + 1;
      yield flush(true);
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  if (length > 0) yield flush(false);
}
