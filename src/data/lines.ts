// Lines of a file as text, in constant memory. Finds what is no UTF-8 text; knows nothing of JSON.
import { createReadStream } from 'node:fs';

/** 4 MiB: about a million tokens, more than any context; longer lines are reported, not read. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;

export type Line =
  | {
      readonly kind: 'text';
      readonly line: number;
      readonly text: string;
      readonly ended: boolean;
      /** Where the line's bytes are in the file, without its line break. */
      readonly offset: number;
      readonly bytes: number;
    }
  | { readonly kind: 'too-long'; readonly line: number; readonly bytes: number }
  | { readonly kind: 'not-utf8'; readonly line: number }
  | { readonly kind: 'utf16' }
  | { readonly kind: 'packed'; readonly format: string }
  | { readonly kind: 'bom' };

/** Reading stops after `utf16` and `packed`: every line would be wrong. Carriage returns at line ends are dropped. */
export async function* readLines(
  path: string,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let offset = 0;
  const flush = (ended: boolean): Line => {
    line += 1;
    const bytes = pendingBytes;
    const parts = pending;
    const start = offset;
    pending = [];
    pendingBytes = 0;
    offset += bytes + 1;
    if (bytes > maxLineBytes) return { kind: 'too-long', line, bytes };
    try {
      const text = decoder.decode(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
      const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
      return { kind: 'text', line, text: whole, ended, offset: start, bytes };
    } catch {
      return { kind: 'not-utf8', line };
    }
  };
  const keep = (part: Buffer) => {
    pendingBytes += part.length;
    if (pendingBytes > maxLineBytes) pending = [];
    else pending.push(part);
  };

  let first = true;
  for await (let chunk of chunks(path)) {
    if (first) {
      first = false;
      if (looksLikeUtf16(chunk)) return yield { kind: 'utf16' };
      const format = packedFormat(chunk);
      if (format !== undefined) return yield { kind: 'packed', format };
      if (chunk.subarray(0, 3).equals(UTF8_BOM)) {
        yield { kind: 'bom' };
        chunk = chunk.subarray(3);
        offset = 3;
      }
    }
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, at));
      from = at + 1;
      yield flush(true);
    }
    if (from < chunk.length) keep(chunk.subarray(from));
  }
  if (pendingBytes > 0) yield flush(false);
}

const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/** The file's bytes; the first chunk holds at least four unless the file is shorter. */
async function* chunks(path: string): AsyncGenerator<Buffer> {
  const stream: AsyncIterable<Buffer> = createReadStream(path, { highWaterMark: 256 * 1024 });
  let head: Buffer | null = Buffer.alloc(0);
  for await (const chunk of stream) {
    if (head === null) yield chunk;
    else {
      head = Buffer.concat([head, chunk]);
      if (head.length < 4) continue;
      yield head;
      head = null;
    }
  }
  if (head !== null && head.length > 0) yield head;
}

/** The first bytes of formats that people upload by mistake; none of them can begin a text. */
const MAGIC = [
  ['\x1f\x8b', 'gzip'],
  ['PK\x03\x04', 'zip'],
  ['BZh', 'bzip2'],
  ['\xfd7zX', 'xz'],
  ['\x28\xb5\x2f\xfd', 'zstd'],
  ['7z\xbc\xaf', '7z'],
  ['PAR1', 'Parquet'],
  ['%PDF', 'PDF'],
] as const;

function packedFormat(bytes: Buffer): string | undefined {
  const head = bytes.subarray(0, 4).toString('latin1');
  return MAGIC.find(([magic]) => head.startsWith(magic))?.[1];
}

/** A byte order mark, or a JSON line whose every second byte is zero. */
function looksLikeUtf16(bytes: Buffer): boolean {
  const [a, b, c, d] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true;
  return (a !== 0 && b === 0 && c !== 0 && d === 0) || (a === 0 && b !== 0 && c === 0 && d !== 0);
}
