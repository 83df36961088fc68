// Multipart upload to disk in constant memory. Parts may come in any order and without a length, so
// the file's bytes are received first and the fields are judged when everything has arrived.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import {
  Busboy,
  type BusboyFileStream,
  type BusboyHeaders,
  type BusboyInstance,
} from '@fastify/busboy';
import type { Blobs, ReceivedBlob } from '../store/blobs.ts';
import { discardBody } from './discard-body.ts';
import { ApiError, bodyTooLarge, invalidValue } from './errors.ts';

export type Upload = {
  readonly fields: ReadonlyMap<string, string>;
  /** Null: no part with the wanted name came. */
  readonly file: { readonly filename: string; readonly blob: ReceivedBlob } | null;
};

/** Receives the part called `part` as a file. The caller ends `file.blob` by `keep`, `moveTo` or
 *  `discard`; on an error nothing is left on disk. */
export async function receiveUpload(
  request: Request,
  blobs: Blobs,
  limit: number,
  part: 'file' | 'data' = 'file',
): Promise<Upload> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\b/i.test(type) || request.body === null)
    throw malformed(`expected multipart/form-data with a body, got '${type}'`);
  // 64 KB on top for the other parts: a body that must be too large is refused before it is read.
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > limit + 65_536) {
    await discardBody(request.body.getReader());
    throw bodyTooLarge(limit, declared);
  }
  const form = new Form(type, blobs, limit, part);
  let failure: unknown;
  try {
    await pipeline(Readable.fromWeb(request.body as ReadableStream), form.parser);
  } catch (error) {
    failure = malformed((error as Error).message);
  }
  const blob = await form.received(failure !== undefined);
  try {
    if (failure !== undefined) throw failure;
    return { fields: form.fields, file: blob && { filename: form.filename(limit), blob } };
  } catch (error) {
    await blob?.discard();
    throw error;
  }
}

const FIELD_BYTES = 4096; // longer than any field of an upload
const PARTS = 20;

/** What the parser has met so far. */
class Form {
  readonly parser: BusboyInstance;
  readonly fields = new Map<string, string>();
  #refusal: ApiError | null = null;
  #file: { readonly name: string; readonly stream: BusboyFileStream } | null = null;
  #blob: Promise<ReceivedBlob | null> = Promise.resolve(null);
  #diskFailure: unknown;

  constructor(type: string, blobs: Blobs, limit: number, part: string) {
    this.parser = createParser(type, limit, part);
    this.parser.on('field', (name, value, nameCut, valueCut) => {
      if (nameCut || valueCut) this.#refusal ??= malformed(`the field '${name}' is too long`);
      this.fields.set(name, value);
    });
    this.parser.on('file', (name, stream, filename: string | undefined) => {
      stream.on('error', () => {}); // a part that breaks off says so again when nobody reads any more
      if (name === part && this.#file === null) return this.#receive(stream, filename, blobs);
      this.#refusal ??= malformed(`expected one file part, named '${part}', got '${name}'`);
      stream.resume();
    });
    this.parser.on('partsLimit', () => {
      this.#refusal ??= malformed(`more than ${PARTS} parts`);
    });
  }

  #receive(stream: BusboyFileStream, filename: string | undefined, blobs: Blobs): void {
    this.#file = { name: filename ?? 'file', stream };
    this.#blob = blobs.receive(stream).catch((error: unknown) => {
      this.#diskFailure = error;
      this.parser.destroy(error as Error); // else a full disk leaves the request hanging
      return null;
    });
  }

  /** Waits for the disk. Null: no file part came, or not all of it. */
  async received(aborted: boolean): Promise<ReceivedBlob | null> {
    if (aborted) this.#file?.stream.destroy(new Error('aborted'));
    const blob = await this.#blob;
    // A failing disk is the server's trouble; a part that breaks off is the client's.
    if (this.#diskFailure !== undefined && !aborted) throw this.#diskFailure;
    if (isDiskError(this.#diskFailure)) throw this.#diskFailure;
    return blob;
  }

  /** The file's name, or the refusal of the whole form. */
  filename(limit: number): string {
    if (this.#refusal !== null) throw this.#refusal;
    if (this.#file?.stream.truncated) throw bodyTooLarge(limit, limit + 1);
    return safeName(this.#file?.name ?? 'file');
  }
}

function createParser(type: string, limit: number, part: string): BusboyInstance {
  try {
    return new Busboy({
      headers: { 'content-type': type } as BusboyHeaders,
      // A file of exactly the limit counts as whole.
      limits: { fileSize: limit, fieldSize: FIELD_BYTES, parts: PARTS, headerPairs: 50 },
      isPartAFile: (name, _type, filename) => name === part || filename !== undefined,
    });
  } catch (error) {
    throw malformed((error as Error).message);
  }
}

const DISK_ERRORS = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'EMFILE'];
const isDiskError = (error: unknown) =>
  error instanceof Error && DISK_ERRORS.includes((error as NodeJS.ErrnoException).code ?? '');

const malformed = (reason: string) =>
  new ApiError(`We could not parse the multipart body of your request: ${reason}`, {
    status: 400,
    code: null,
    param: null,
  });

const LONGEST_NAME = 255;

/** The last part of a path of any system. */
export function safeName(filename: string, param = 'file'): string {
  const name = filename.split(/[/\\]/).at(-1)!;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\u0000-\u001f\u007f]/.test(name) || !name.isWellFormed())
    throw invalidValue(param, 'the file name must not contain control characters.');
  if (name.length > LONGEST_NAME)
    throw invalidValue(param, `the file name must have at most ${LONGEST_NAME} characters.`);
  return name === '' || name === '.' || name === '..' ? 'file' : name;
}
