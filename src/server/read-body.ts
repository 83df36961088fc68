// Reads a JSON body against its schema. Every request body of the API but uploads comes through here:
// bounded, valid UTF-8, an object, no character that a database or a C string cannot hold.
import type { Context } from 'hono';
import type { z } from 'zod';
import type { Config } from './config.ts';
import { discardBody } from './discard-body.ts';
import {
  badJson,
  bodyTooLarge,
  dotted,
  fromIssues,
  invalidValue,
  unknownParameter,
} from './errors.ts';

type Limits = Pick<Config, 'jsonLimit' | 'strict'>;

export async function readBody<Schema extends z.ZodObject>(
  c: Context,
  schema: Schema,
  { jsonLimit, strict }: Limits,
): Promise<z.output<Schema>> {
  const body = withoutNulls(await readJson(c.req.raw, jsonLimit));
  checkText(body, []);
  const known = Object.keys(schema.shape);
  const unknown = Object.keys(body).find((key) => !known.includes(key));
  if (strict && unknown !== undefined) throw unknownParameter(unknown);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw fromIssues(parsed.error.issues, body);
}

type JsonObject = Record<string, unknown>;

/** An empty body counts as `{}`, whatever its content type: old clients send one on POST. */
async function readJson(request: Request, limit: number): Promise<JsonObject> {
  const text = decode(await readBytes(request, limit));
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badJson((error as SyntaxError).message);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw badJson('the body must be a JSON object');
  return value as JsonObject;
}

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get('content-length') ?? 0);
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (declared <= limit && length <= limit) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    length += value.length;
    chunks.push(value);
  }
  chunks.length = 0; // of no use while the rest comes
  throw bodyTooLarge(limit, length + (await discardBody(reader)));
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw badJson('the body is not valid UTF-8');
  }
}

/** A field that is null counts as absent; `content` of a message keeps its null, see chat. */
function withoutNulls(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

const DEEPEST = 100; // levels; grammars and databases recurse, and nothing of the API nests so far

function checkText(value: unknown, path: (string | number)[]): void {
  if (path.length > DEEPEST) throw badJson(`the body is nested deeper than ${DEEPEST} levels`);
  if (typeof value === 'string') {
    if (value.includes('\0')) throw invalidValue(dotted(path), 'a NUL character is not allowed.');
    if (!value.isWellFormed())
      throw invalidValue(dotted(path), 'half of a surrogate pair is not a character.');
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkText(item, [...path, i]);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      checkText(key, path);
      checkText(item, [...path, key]);
    }
  }
}
