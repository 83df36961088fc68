// The lines of a batch's input file: first all are checked, then each is read again when its turn comes,
// so that a large file takes no memory.
import { stat } from 'node:fs/promises';
import { type Line, readLines } from '../data/lines.ts';
import type { BatchProblem } from '../store/batches.ts';

export type BatchLine = {
  readonly line: number;
  readonly customId: string;
  readonly body: Readonly<Record<string, unknown>>;
};

export type InputLimits = { readonly bytes: number; readonly lines: number };
export const INPUT_LIMITS: InputLimits = { bytes: 200 * 1024 * 1024, lines: 50_000 };

const LINE_BYTES = 26_214_400; // a request body of this length is the longest that the server takes
const LONGEST_ID = 512;
const TOLD = 1000; // problems that are kept; the last entry counts the others

export type Checked = {
  readonly total: number;
  /** The one that all lines name; null: several, or none. */
  readonly model: string | null;
  readonly problems: readonly BatchProblem[];
};

export async function checkInput(
  path: string,
  endpoint: string,
  limits = INPUT_LIMITS,
): Promise<Checked> {
  const { size } = await stat(path);
  if (size > limits.bytes) {
    const message = `The input file has ${size} bytes; a batch takes at most ${limits.bytes}.`;
    return { total: 0, model: null, problems: [whole('input_file_too_large', message)] };
  }
  const problems: BatchProblem[] = [];
  const seen = new Map<string, number>();
  const models = new Set<unknown>();
  let [total, more] = [0, 0];
  const report = (problem: BatchProblem) => {
    if (problems.length < TOLD) problems.push(problem);
    else more += 1;
  };
  for await (const read of parsedLines(path, endpoint)) {
    total += 1;
    if ('code' in read) {
      report(read);
      continue;
    }
    models.add(read.body['model']);
    const before = seen.get(read.customId);
    if (before === undefined) seen.set(read.customId, read.line);
    else report(duplicate(read, before));
  }
  if (total === 0) report(whole('empty_file', 'The input file has no requests.'));
  if (total > limits.lines) {
    const message = `The input file has ${total} requests; a batch takes at most ${limits.lines}.`;
    report(whole('too_many_requests', message));
  }
  if (more > 0) problems.push(whole('more_errors', `${more} more lines are wrong.`));
  const [model] = models;
  const common = models.size === 1 && typeof model === 'string' ? model : null;
  return { total, model: common, problems };
}

/** The requests of a file that was checked. */
export async function* requestsOf(path: string, endpoint: string): AsyncGenerator<BatchLine> {
  for await (const read of parsedLines(path, endpoint)) {
    if ('code' in read)
      throw new Error(`line ${read.line} of ${path} has changed: ${read.message}`);
    yield read;
  }
}

async function* parsedLines(
  path: string,
  endpoint: string,
): AsyncGenerator<BatchLine | BatchProblem> {
  for await (const line of readLines(path, LINE_BYTES)) {
    if (line.kind === 'bom' || (line.kind === 'text' && line.text.trim() === '')) continue;
    yield parsed(line, endpoint);
  }
}

function parsed(read: Line, endpoint: string): BatchLine | BatchProblem {
  const line = 'line' in read ? read.line : 1;
  const wrong = (code: string, message: string, param: string | null = null): BatchProblem => ({
    code,
    message,
    param,
    line,
  });
  if (read.kind === 'too-long')
    return wrong(
      'request_too_large',
      `This line has ${read.bytes} bytes, more than a request may.`,
    );
  if (read.kind !== 'text') return wrong('invalid_json_line', 'This line is no UTF-8 text.');
  const value = jsonObject(read.text);
  if (value === null)
    return wrong('invalid_json_line', 'This line is not parseable as a valid JSON object.');
  const { custom_id: customId, method, url, body } = value;
  for (const param of ['custom_id', 'method', 'url', 'body'])
    if (value[param] === undefined || value[param] === null)
      return wrong('missing_required_parameter', `Missing required parameter: '${param}'.`, param);
  if (typeof customId !== 'string' || customId === '' || customId.length > LONGEST_ID)
    return wrong(
      'invalid_custom_id',
      `'custom_id' must be a string of 1 to ${LONGEST_ID} characters.`,
      'custom_id',
    );
  if (method !== 'POST')
    return wrong('invalid_method', `'method' must be 'POST'; got ${shown(method)}.`, 'method');
  if (url !== endpoint)
    return wrong(
      'invalid_url',
      `The URL provided for this request does not match the batch endpoint: expected '${endpoint}', got ${shown(url)}.`,
      'url',
    );
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return wrong('invalid_body', `'body' must be an object; got ${shown(body)}.`, 'body');
  return { line, customId, body: body as Record<string, unknown> };
}

function jsonObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

const whole = (code: string, message: string): BatchProblem => ({
  code,
  message,
  param: null,
  line: null,
});

const duplicate = ({ line, customId }: BatchLine, before: number): BatchProblem => ({
  code: 'duplicate_custom_id',
  message: `The custom_id ${shown(customId)} is that of line ${before} already; it must be unique for each request in a batch.`,
  param: 'custom_id',
  line,
});

const shown = (value: unknown) => {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};
