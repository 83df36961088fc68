// Which encoding a text is in, found by reading all of it, and the text as UTF-8. What Windows in
// Chinese writes is told apart: UTF-8, UTF-16 and GB18030 (GBK is part of it), with or without a mark.
import { isAscii, isUtf8 } from 'node:buffer';
import { splitLines } from './lines.ts';
import { firstOf, type Part } from './source.ts';
import { problem, TableError, type TableProblem } from './table.ts';

export type Encoding = {
  /** A label of the Encoding Standard; `mixed` is UTF-8 with lines in GB18030. */
  readonly label: string;
  readonly bom: boolean;
  readonly given: boolean;
  /** Lines in GB18030, of a mixed file: how many, and the first. */
  readonly foreign: { readonly count: number; readonly first: readonly number[] };
};

/** UTF-8 in pieces; `problems` fills while it is read. */
export type Utf8Text = {
  readonly file: string;
  readonly chunks: AsyncIterable<Buffer>;
  readonly problems: TableProblem[];
};

const NONE = { count: 0, first: [] };

export async function detectEncoding(part: Part, given?: string): Promise<Encoding> {
  const head = await firstOf(part.open(), 64 * 1024);
  const mark = markOf(head);
  if (given !== undefined) {
    const label = labelOf(given);
    if (label === null) throw new TableError(part.file, 'data.unknown_encoding', { label: given });
    return { label, bom: mark === label, given: true, foreign: NONE };
  }
  const found = (label: string, foreign: Encoding['foreign'] = NONE): Encoding => ({
    label,
    bom: mark === label,
    given: false,
    foreign,
  });
  if (mark !== null && mark !== 'utf-8') return found(mark);
  const wide = utf16Without(head);
  if (wide !== null) return found(wide);
  if (await allUtf8(part.open())) return found('utf-8');
  if (controls(head) * 50 > head.length) throw new TableError(part.file, 'data.binary');
  return { ...(await judgeLines(part, found)), bom: mark === 'utf-8' };
}

export function decodeToUtf8(part: Part, encoding: Encoding): Utf8Text {
  const problems: TableProblem[] = [];
  const { file } = part;
  const onBad = (line: number) =>
    problems.push(
      problem(file, line, 'data.undecodable', { label: encoding.label }, { repaired: true }),
    );
  if (encoding.foreign.count > 0) {
    const { count, first } = encoding.foreign;
    const lines = `${first.join(', ')}${count > first.length ? ', …' : ''}`;
    const params = { count, lines };
    problems.push(problem(file, first[0]!, 'data.mixed_encodings', params, { repaired: true }));
  }
  const chunks =
    encoding.label === 'mixed' ? mixed(part.open(), onBad) : decoded(part.open(), encoding, onBad);
  return { file, chunks, problems };
}

/** The name that TextDecoder gives it; null if it knows none. */
export function labelOf(given: string): string | null {
  try {
    return new TextDecoder(given).encoding;
  } catch {
    return null;
  }
}

function markOf(head: Buffer): string | null {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 'utf-8' : null;
}

/** Bytes that no text has: below the space, but no line end or tab. */
function controls(head: Buffer): number {
  let count = 0;
  for (const byte of head) if (byte < 9 || (byte > 13 && byte < 32 && byte !== 27)) count += 1;
  return count;
}

/** Line ends and separators are ASCII in every table: in UTF-16 each brings a zero byte on one side. */
function utf16Without(head: Buffer): string | null {
  const zeros = [0, 0];
  for (let i = 0; i < head.length; i++) if (head[i] === 0) zeros[i & 1]! += 1;
  const [even, odd] = [zeros[0]!, zeros[1]!];
  const pairs = head.length / 2;
  if (
    Math.max(even, odd) < Math.max(1, pairs * 0.01) ||
    Math.min(even, odd) * 10 > Math.max(even, odd)
  )
    return null;
  // A zero byte astray in UTF-8 leaves it UTF-8; in UTF-16 the line feeds themselves are pairs.
  const feed = odd > even ? Buffer.from([10, 0]) : Buffer.from([0, 10]);
  if (isUtf8(trimPartial(head)) && Math.max(even, odd) < pairs * 0.2 && !hasPair(head, feed))
    return null;
  return odd > even ? 'utf-16le' : 'utf-16be';
}

function hasPair(head: Buffer, pair: Buffer): boolean {
  for (let at = head.indexOf(pair); at >= 0; at = head.indexOf(pair, at + 1))
    if (at % 2 === 0) return true;
  return false;
}

/** Without a character that the piece's end cuts in two. */
function trimPartial(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return back < length ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

async function allUtf8(chunks: AsyncIterable<Buffer>): Promise<boolean> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = trimPartial(bytes);
    if (!isUtf8(whole)) return false;
    rest = bytes.subarray(whole.length);
  }
  return rest.length === 0;
}

const MAX_LINE = 64 * 1024 * 1024;

/** Line by line: which are UTF-8 beyond doubt, which GB18030, which neither. */
async function judgeLines(
  part: Part,
  found: (label: string, foreign?: Encoding['foreign']) => Encoding,
): Promise<Encoding> {
  const gb = new TextDecoder('gb18030', { fatal: true });
  const tally = { utf8: 0, gb: 0, neither: 0, pairs: 0, chinese: 0 };
  const first: number[] = [];
  for await (const { line, bytes } of splitLines(part.open(), MAX_LINE)) {
    if (bytes === null || isAscii(bytes)) continue;
    if (isUtf8(bytes)) {
      if (surelyUtf8(bytes)) tally.utf8 += 1;
      continue;
    }
    try {
      gb.decode(bytes);
      tally.gb += 1;
      if (first.length < 10) first.push(line);
      countPairs(bytes, tally);
    } catch {
      tally.neither += 1;
    }
  }
  // In Latin text a byte above 127 is mostly followed by an ASCII letter, in Chinese by another such.
  const chinese = tally.gb > tally.neither && tally.chinese * 2 > tally.pairs;
  if (tally.utf8 > 0 && tally.gb > 0 && chinese) return found('mixed', { count: tally.gb, first });
  if (tally.utf8 > 0) return found('utf-8');
  return found(chinese ? 'gb18030' : 'windows-1252');
}

/** GB18030 passes for UTF-8 by chance in one or two characters, hardly in two of three bytes each. */
function surelyUtf8(bytes: Buffer): boolean {
  let long = 0;
  let short = 0;
  for (const byte of bytes) {
    if (byte >= 0xe0) long += 1;
    else if (byte >= 0xc0) short += 1;
  }
  return long >= 2 || short >= 4;
}

function countPairs(bytes: Buffer, tally: { pairs: number; chinese: number }): void {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! < 0x80) continue;
    tally.pairs += 1;
    i += 1;
    if ((bytes[i] ?? 0) >= 0xa1) tally.chinese += 1;
  }
}

async function* decoded(
  chunks: AsyncIterable<Buffer>,
  { label }: Encoding,
  onBad: (line: number) => number,
): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(label);
  const check = lineCounter(onBad);
  let rest: Buffer = Buffer.alloc(0);
  let start = true;
  for await (const chunk of chunks) {
    if (label !== 'utf-8') {
      const text = decoder.decode(chunk, { stream: true });
      check(text);
      yield Buffer.from(text);
      continue;
    }
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (start && bytes.length < 4) {
      rest = bytes;
      continue;
    }
    if (start && markOf(bytes) === 'utf-8') bytes = bytes.subarray(3);
    start = false;
    const whole = trimPartial(bytes);
    rest = bytes.subarray(whole.length);
    yield checked(whole, check);
  }
  if (label === 'utf-8') {
    const tail = start && markOf(rest) === 'utf-8' ? rest.subarray(3) : rest;
    if (tail.length > 0) yield checked(tail, check);
    return;
  }
  const last = decoder.decode();
  check(last);
  if (last !== '') yield Buffer.from(last);
}

/** Valid UTF-8 passes as it is; the rest is decoded with replacement characters, and reported. */
function checked(bytes: Buffer, check: (text: string | Buffer) => void): Buffer {
  if (isUtf8(bytes)) {
    check(bytes);
    return bytes;
  }
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  check(text);
  return Buffer.from(text);
}

/** Looks for replacement characters that decoding put in: in text only, bytes were valid before. */
function lineCounter(onBad: (line: number) => number): (piece: string | Buffer) => void {
  let line = 1;
  return (piece) => {
    const bytes = typeof piece === 'string' ? null : piece;
    if (bytes !== null) {
      for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) line += 1;
      return;
    }
    const text = piece as string;
    const bad = text.includes('\ufffd');
    for (const [i, part] of text.split('\n').entries()) {
      if (i > 0) line += 1;
      if (bad && part.includes('\ufffd')) onBad(line);
    }
  };
}

async function* mixed(
  chunks: AsyncIterable<Buffer>,
  onBad: (line: number) => number,
): AsyncGenerator<Buffer> {
  const gb = new TextDecoder('gb18030');
  for await (const { line, bytes, ended } of splitLines(chunks, MAX_LINE)) {
    if (bytes === null) {
      onBad(line);
      continue;
    }
    let out = bytes;
    if (!isUtf8(bytes)) {
      const text = gb.decode(bytes);
      if (text.includes('\ufffd')) onBad(line);
      out = Buffer.from(text);
    }
    const plain = line === 1 && markOf(out) === 'utf-8' ? out.subarray(3) : out;
    yield ended ? Buffer.concat([plain, FEED]) : plain;
  }
}
const FEED = Buffer.from('\n');
