// JSON and JSONL. Lines are parsed one by one; a list's elements too, wherever their line ends are. A
// single object that holds all rows (columns, or a list under a name) is read as a whole.
import { isObject, nameOf } from '../formats/chat.ts';
import type { Utf8Text } from './encoding.ts';
import { depthOf, type JsonPiece, splitJson } from './json-values.ts';
import { splitLines } from './lines.ts';
import { asRow } from './row.ts';
import { excerpt, type Limits, problem, type TableItem } from './table.ts';

export async function* readJson(
  { file, chunks, problems }: Utf8Text,
  format: 'json' | 'jsonl',
  limits: Limits,
): AsyncGenerator<TableItem> {
  let row = 0;
  const pieces = format === 'jsonl' ? lines(chunks, limits) : values(chunks, limits);
  // One is held back: only then is it known whether an object is alone and may hold all rows.
  let held: JsonPiece | null = null;
  let seen = 0;
  for await (const piece of pieces) {
    yield* problems.splice(0);
    if (held !== null) yield* rowOf(held, file, ++row, limits);
    held = piece;
    seen += 1;
  }
  yield* problems.splice(0);
  if (held === null) return;
  const inside =
    seen === 1 && held.kind === 'value' && held.depth <= limits.depth
      ? rowsInside(held.bytes)
      : null;
  if (inside === null) return yield* rowOf(held, file, row + 1, limits);
  for (const record of inside) {
    row += 1;
    yield* asRow(file, 0, row, record, limits);
  }
}

function values(chunks: AsyncIterable<Buffer>, limits: Limits): AsyncGenerator<JsonPiece> {
  return splitJson(chunks, limits.wholeBytes);
}

async function* lines(
  chunks: AsyncIterable<Buffer>,
  { recordBytes }: Limits,
): AsyncGenerator<JsonPiece> {
  for await (const { line, bytes, length } of splitLines(chunks, recordBytes)) {
    if (bytes === null) yield { kind: 'too-long', line, length };
    else if (!isBlank(bytes)) yield { kind: 'value', line, bytes, depth: depthOf(bytes) };
  }
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  return true;
}

function* rowOf(piece: JsonPiece, file: string, row: number, limits: Limits): Generator<TableItem> {
  const { line } = piece;
  if (piece.kind === 'junk') {
    const reason = `"${piece.text}" follows the end of the list`;
    return yield problem(file, line, 'data.not_json', { reason });
  }
  if (piece.kind === 'open') {
    const raw = excerpt(piece.bytes.subarray(0, 4000).toString());
    return yield problem(file, line, 'data.truncated', {}, { raw });
  }
  const bytes = piece.kind === 'too-long' ? piece.length : piece.bytes.length;
  // However its text is spread over the row: as one line it could not be uploaded.
  if (piece.kind === 'too-long' || bytes > limits.cellCharacters) {
    const params = { bytes, limit: limits.cellCharacters };
    return yield problem(file, line, 'data.line_too_long', params);
  }
  if (piece.depth > limits.depth) {
    const params = { depth: piece.depth, limit: limits.depth };
    const raw = excerpt(piece.bytes.subarray(0, 4000).toString());
    return yield problem(file, line, 'data.too_deep', params, { raw });
  }
  const text = piece.bytes.toString().trim();
  const parsed = parse(text);
  if (parsed.error !== null) {
    const { line: offset, ...wrong } = located(parsed.error, text);
    yield problem(file, line + offset, wrong.key, wrong.params, { raw: excerpt(text) });
    return;
  }
  if (parsed.repair !== null)
    yield problem(file, line, parsed.repair.key, parsed.repair.params, { repaired: true });
  if (!isObject(parsed.value)) {
    const params = { expected: 'object', got: nameOf(parsed.value) };
    const key = Array.isArray(parsed.value) ? 'data.array' : 'data.wrong_type';
    return yield problem(file, line, key, params, { raw: excerpt(text) });
  }
  yield* asRow(file, line, row, parsed.value as Record<string, unknown>, limits);
}

type Repair = {
  readonly key: 'data.nbsp' | 'data.nul' | 'data.comma';
  readonly params: { count: number };
};
type ParseResult =
  | { readonly error: null; readonly value: unknown; readonly repair: Repair | null }
  | { readonly error: SyntaxError };

/** Mends only what cannot mean anything else; each repair is reported. */
function parse(text: string): ParseResult {
  try {
    return { error: null, value: JSON.parse(text), repair: null };
  } catch (error) {
    const first = error as SyntaxError;
    for (const repair of [withoutNbsp, withoutNul, withoutComma]) {
      const mended = repair(text);
      if (mended === null) continue;
      try {
        return { error: null, value: JSON.parse(mended.text), repair: mended.repair };
      } catch {}
    }
    return { error: first };
  }
}

type Mended = { readonly text: string; readonly repair: Repair } | null;

/** U+00A0 between the tokens, as copied from a web page; inside strings it stays. */
function withoutNbsp(text: string): Mended {
  const { plain, count } = plainSpaces(text);
  return count === 0 ? null : { text: plain, repair: { key: 'data.nbsp', params: { count } } };
}

/** The text with ordinary spaces between its JSON tokens, and how many there were of the other kind. */
export function plainSpaces(text: string): { readonly plain: string; readonly count: number } {
  let count = 0;
  const plain = text.replace(/"(?:\\.|[^"\\])*"|\u00a0/g, (token) => {
    if (token !== '\u00a0') return token;
    count += 1;
    return ' ';
  });
  return { plain, count };
}

function withoutNul(text: string): Mended {
  const count = text.split('\0').length - 1;
  if (count === 0) return null;
  return { text: text.replaceAll('\0', ''), repair: { key: 'data.nul', params: { count } } };
}

/** A comma behind each object, from somebody who cut a list into lines. */
function withoutComma(text: string): Mended {
  if (!text.endsWith('},')) return null;
  return { text: text.slice(0, -1), repair: { key: 'data.comma', params: { count: 1 } } };
}

function located(error: SyntaxError, text: string) {
  const reason = error.message.replace(/ \(line \d+ column \d+\)$/, '');
  const position = /at position (\d+)/.exec(reason)?.[1];
  const early =
    position === undefined ? reason.includes('Unexpected end') : Number(position) >= text.length;
  if (early && /^[[{]/.test(text)) return { line: 0, key: 'data.truncated', params: {} } as const;
  const before = text.slice(0, Number(position ?? 0)).split('\n');
  const column = before.at(-1)!.length + 1;
  const shown = reason.replace(/ in JSON at position \d+/, '');
  const params = { reason: `${shown} (column ${column})` };
  return { line: before.length - 1, key: 'data.not_json', params } as const;
}

const LISTS = ['data', 'rows', 'examples', 'items', 'records', 'samples', 'train'];

/** The rows of an object that holds them all; null if it is one row itself. */
function rowsInside(bytes: Buffer): Record<string, unknown>[] | null {
  const { error, ...parsed } = parse(bytes.toString().trim());
  if (error !== null || !('value' in parsed) || !isObject(parsed.value)) return null;
  const { value } = parsed;
  for (const key of LISTS) {
    const list = value[key];
    if (Array.isArray(list) && list.length > 0 && list.every(isObject))
      return list.map((item) => ({ ...item }));
  }
  const columns = Object.entries(value);
  if (columns.length === 0) return null;
  if (columns.every(([, column]) => isObject(column))) {
    const keys = [...new Set(columns.flatMap(([, column]) => Object.keys(column as object)))];
    // Columns of a data frame are numbered; anything else is an object in its own right.
    if (!keys.every((key) => /^\d+$/.test(key))) return null;
    return keys.map((key) =>
      Object.fromEntries(
        columns.map(([name, column]) => [name, (column as Record<string, unknown>)[key] ?? null]),
      ),
    );
  }
  const lengths = new Set(
    columns.map(([, column]) => (Array.isArray(column) ? column.length : -1)),
  );
  if (lengths.size !== 1 || lengths.has(-1)) return null;
  const scalars = columns.every(([, column]) =>
    (column as unknown[]).every((cell) => !isObject(cell)),
  );
  if (!scalars) return null;
  const [length = 0] = lengths;
  return Array.from({ length }, (_, i) =>
    Object.fromEntries(columns.map(([name, column]) => [name, (column as unknown[])[i]])),
  );
}
