// Cuts a JSON text into its values without parsing it: the elements of a list, or values that simply
// follow one another over any number of lines. In constant memory, with the line of each.

export type JsonPiece =
  | {
      readonly kind: 'value';
      readonly line: number;
      readonly bytes: Buffer;
      readonly depth: number;
    }
  | { readonly kind: 'too-long'; readonly line: number; readonly length: number }
  /** Something that is no value and no separator. */
  | { readonly kind: 'junk'; readonly line: number; readonly text: string }
  /** The text ends inside a value or a list. */
  | { readonly kind: 'open'; readonly line: number; readonly bytes: Buffer };

const [QUOTE, COMMA, BACKSLASH, FEED] = [0x22, 0x2c, 0x5c, 0x0a];
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];

export async function* splitJson(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<JsonPiece> {
  let line = 1;
  let list: 'unknown' | 'in' | 'none' | 'after' = 'unknown';
  let startLine = 0;
  let depth = 0;
  let deepest = 0;
  let inString = false;
  let escaped = false;
  let inValue = false;
  let kept: Buffer[] = [];
  let length = 0;
  const keep = (part: Buffer) => {
    length += part.length;
    if (length > maxBytes) kept = [];
    else kept.push(part);
  };
  const finish = (): JsonPiece => {
    const bytes = kept.length === 1 ? kept[0]! : Buffer.concat(kept);
    const piece: JsonPiece =
      length > maxBytes
        ? { kind: 'too-long', line: startLine, length }
        : { kind: 'value', line: startLine, bytes, depth: deepest };
    inValue = false;
    kept = [];
    length = 0;
    deepest = 0;
    return piece;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === FEED) line += 1;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) {
          inString = false;
          if (depth === 0) {
            keep(chunk.subarray(from, at + 1));
            yield finish();
          }
        }
        continue;
      }
      if (!inValue) {
        if (isSpace(byte)) continue;
        if (byte === LIST && list === 'unknown') {
          list = 'in';
          continue;
        }
        if (byte === COMMA && list !== 'after') continue;
        if (byte === LIST_END && list === 'in') {
          list = 'after';
          continue;
        }
        if (list === 'unknown') list = 'none';
        if (list === 'after') {
          yield { kind: 'junk', line, text: chunk.subarray(at, at + 40).toString() };
          return;
        }
        inValue = true;
        startLine = line;
        from = at;
      }
      if (byte === QUOTE) inString = true;
      else if (byte === OBJECT || byte === LIST) {
        depth += 1;
        if (depth > deepest) deepest = depth;
      } else if (byte === OBJECT_END || byte === LIST_END) {
        depth -= 1;
        if (depth < 0) {
          // A number or a word ends where its list does.
          depth = 0;
          keep(chunk.subarray(from, at));
          yield finish();
          if (byte === LIST_END && list === 'in') list = 'after';
          else yield { kind: 'junk', line, text: chunk.subarray(at, at + 40).toString() };
        } else if (depth === 0) {
          keep(chunk.subarray(from, at + 1));
          yield finish();
        }
      } else if (depth === 0 && (byte === COMMA || byte === FEED)) {
        keep(chunk.subarray(from, at));
        yield finish();
      }
    }
    if (inValue) keep(chunk.subarray(from));
  }
  if (inValue && depth === 0 && !inString) yield finish();
  else if (inValue || list === 'in')
    yield { kind: 'open', line: inValue ? startLine : line, bytes: Buffer.concat(kept) };
}

/** JSON's own, and the two bytes of U+00A0, which web pages put in its place. */
const isSpace = (byte: number) =>
  byte === 0x20 ||
  byte === FEED ||
  byte === 0x0d ||
  byte === 0x09 ||
  byte === 0xc2 ||
  byte === 0xa0;

/** How deep lists and objects are nested, without recursion. */
export function depthOf(bytes: Buffer): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OBJECT || byte === LIST) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === OBJECT_END || byte === LIST_END) depth -= 1;
  }
  return deepest;
}

/** The depth of a text that is nested deeper than `limit`; null for others. Counting brackets is quick; only
 *  a text with many of them is walked. */
export function depthBeyond(text: string, limit: number): number | null {
  let brackets = 0;
  for (const bracket of '{[')
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      brackets += 1;
      if (brackets <= limit) continue;
      const depth = depthOf(Buffer.from(text));
      return depth > limit ? depth : null;
    }
  return null;
}
