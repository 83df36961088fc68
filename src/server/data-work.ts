// What the routes of the data tools share: a folder of the request's own with the uploaded files in it, the
// child's signal, the answer at once or as events with the progress first.
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, sep } from 'node:path';
import type { Context } from 'hono';
import type { runDataTask } from '../jobs/data-tasks.ts';
import { unixSeconds } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { newId } from '../lib/id.ts';
import { getFile, saveFile } from '../store/files.ts';
import type { Deps } from './deps.ts';
import { fileNotFound, invalidValue } from './errors.ts';
import { removeExpired } from './expiry.ts';
import { wireFile } from './routes/files.ts';
import { primed, sseResponse } from './sse.ts';

export const stem = (path: string) => basename(path).replace(/\.[^.]+$/, '');

export async function readJson(path: string): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path)) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

export type Place = {
  readonly folder: string;
  /** The uploaded file under its own name, which tells its format. */
  readonly input: (param: string, id: string) => Promise<string>;
  /** Makes an uploaded file of what was written. */
  readonly output: (path: string, filename: string, purpose?: string) => Promise<unknown>;
};
type TaskOptions = Pick<Parameters<typeof runDataTask>[1] & object, 'signal' | 'onProgress'>;
/** Tells those who listen how far it is. */
export type Emit = (progress: object) => void;
export type Work = (place: Place, options: TaskOptions, emit: Emit) => Promise<object>;

export async function answer(
  c: Context,
  deps: Deps,
  stream: boolean,
  work: Work,
): Promise<Response> {
  const stop = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, stop.signal]);
  if (!stream) return c.json(await inPlace(deps, (place) => work(place, { signal }, () => {})));
  const events = await primed(progressOf(deps, work, signal));
  return sseResponse(events, { stop: () => stop.abort(), log: deps.log });
}

/** Progress events, then the result. */
async function* progressOf(deps: Deps, work: Work, signal: AbortSignal): AsyncGenerator<object> {
  const waiting: object[] = [];
  let wake = () => {};
  let done = false;
  const emit: Emit = (progress) => {
    waiting.push({ object: 'tunery.data_progress', ...progress });
    wake();
  };
  const onProgress: TaskOptions['onProgress'] = ({ type: _, file: __, ...progress }) =>
    emit(progress);
  const result = inPlace(deps, (place) => work(place, { signal, onProgress }, emit)).finally(() => {
    done = true;
    wake();
  });
  result.catch(() => {}); // thrown below
  for (;;) {
    const next = waiting.shift();
    if (next !== undefined) yield next;
    else if (done) break;
    else
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  }
  yield await result;
}

async function inPlace<T>(deps: Deps, use: (place: Place) => Promise<T>): Promise<T> {
  const { store, clock } = deps;
  await removeExpired(deps);
  const folder = await mkdtemp(join(tmpdir(), 'tunery-data-'));
  let inputs = 0;
  try {
    return await use({
      folder,
      input: async (param, id) => {
        const file = id.includes('\0') ? null : await getFile(store.database.query, id);
        if (file === null)
          throw param === 'file_id'
            ? fileNotFound(id)
            : invalidValue(param, `no such File object: ${id}.`);
        const own = join(folder, `input-${++inputs}`);
        await mkdir(own);
        const path = join(own, shortened(file.filename));
        await store.blobs.link(file.sha256, path);
        return path;
      },
      output: async (path, filename, purpose = 'fine-tune') => {
        const blob = await store.blobs.receive(createReadStream(path));
        try {
          const row = {
            id: newId('file-'),
            created_at: unixSeconds(clock.now()),
            expires_at: null,
            filename,
            purpose,
          };
          return wireFile(await saveFile(store.database, store.blobs, row, blob));
        } catch (error) {
          await blob.discard();
          throw error;
        }
      },
    });
  } catch (error) {
    throw error instanceof CodedError ? withoutPlace(error, folder) : error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whoever asked knows the file by its own name, and nothing of the folder where it lay meanwhile. */
function withoutPlace(error: CodedError, folder: string): CodedError {
  const place = `${folder}${sep}`;
  if (!error.message.includes(place)) return error;
  const message = error.message
    .split(place)
    .map((piece, i) => (i === 0 ? piece : piece.replace(/^input-\d+[/\\]/, '')))
    .join('');
  const { code, param, status } = error;
  return new CodedError(code, message, { param, status, cause: error });
}

const LONGEST_NAME = 180; // bytes; a disk takes 255, and results have longer names than what they are made of

/** A name may have 255 characters of three bytes each. The ending stays: it tells the format. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= LONGEST_NAME) return name;
  const ending = /(\.\w{1,10}){0,2}$/.exec(name)![0];
  const room = LONGEST_NAME - Buffer.byteLength(ending);
  const begun = Buffer.from(name).subarray(0, room).toString('utf8');
  return begun.replace(/\ufffd+$/, '') + ending;
}
