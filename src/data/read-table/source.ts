// From what the user named to the files that hold rows: unpacks gzip and zip, walks directories, spools
// streams to disk, so that everything further on can be opened twice. Knows no format but archives.
import { createReadStream, createWriteStream, mkdtempSync } from 'node:fs';
import { lstat, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { WriteError } from '../../lib/new-files.ts';
import { removeOnExit } from '../source/left-over.ts';
import { filesUnder, TABLES } from './directory.ts';
import { type Limits, TableError, type TableProblem } from './table.ts';
import { readEntry, type ZipEntry, zipEntries } from './zip.ts';

export type TableSource =
  /** `name` is shown in place of the path. */
  | { readonly path: string; readonly name?: string }
  | { readonly stream: AsyncIterable<Uint8Array>; readonly name: string };

export type Part = {
  /** Shown to people; the name without `.gz`, an archive's entry behind a colon. */
  readonly file: string;
  readonly open: () => AsyncIterable<Buffer>;
  /** For readers that jump about in the file: a path, spooled if need be. */
  readonly local: () => Promise<string>;
};

export type Opened = {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly notes: readonly TableProblem[];
  readonly close: () => Promise<void>;
};

export async function parts(
  source: TableSource,
  limits: Limits,
  signal?: AbortSignal,
): Promise<Opened> {
  const spool = new Spool(signal);
  const close = () => spool.close();
  try {
    if ('stream' in source) {
      const { stream } = source;
      // Whoever waits for the next piece of standard input is not woken by a signal.
      const stop = () => stream instanceof Readable && stream.destroy();
      signal?.addEventListener('abort', stop, { once: true });
      const path = await spool.keep(source.name, toBuffers(stream));
      signal?.removeEventListener('abort', stop);
      return {
        name: source.name,
        parts: await unpack(path, source.name, limits, spool),
        notes: [],
        close,
      };
    }
    const { path, name = path } = source;
    const found = await statOf(path);
    if (!found.isDirectory()) {
      // A pipe such as /dev/stdin can be read only once.
      const file = found.isFile() ? path : await spool.keep(name, createReadStream(path));
      return { name, parts: await unpack(file, name, limits, spool), notes: [], close };
    }
    const { files, notes } = await filesUnder(path, limits);
    const all: Part[] = [];
    for (const file of files) all.push(...(await unpack(file, file, limits, spool)));
    return { name: path, parts: all, notes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function unpack(path: string, file: string, limits: Limits, spool: Spool): Promise<Part[]> {
  const head = await firstBytes(path, 4);
  if (head.length === 0) throw new TableError(file, 'data.empty_table');
  const packed = (await stat(path)).size;
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const name = file.replace(/\.gz$/i, '');
    const part = stored(name, spool, () => guarded(gunzip(path, file), packed, file, limits));
    await refuseTar(part, file);
    return [part];
  }
  if (head.readUInt32BE(0) !== 0x504b0304) {
    return [{ file, open: () => createReadStream(path, CHUNK), local: async () => path }];
  }
  const entries = await zipEntries(path, file);
  const holds = (file: string) => entries.some(({ name }) => name === file);
  if (holds('[Content_Types].xml') || (holds('mimetype') && holds('content.xml'))) {
    await refuseHuge(path, entries, file, limits);
    return [{ file, open: () => createReadStream(path, CHUNK), local: async () => path }];
  }
  const files = entries.filter(({ name }) => !/(^|\/)(\.|__MACOSX\/)|\/$/.test(name));
  const tables = files.filter(({ name }) => TABLES.test(name));
  const wanted = tables.length > 0 ? tables : files;
  if (wanted.length > limits.files)
    throw new TableError(file, 'data.too_many_files', { limit: limits.files });
  return wanted.map((entry) => {
    const name = `${file}:${entry.name}`;
    if (entry.encrypted) throw new TableError(name, 'data.password');
    if (entry.method !== 0 && entry.method !== 8)
      throw new TableError(name, 'data.damaged_archive', { reason: `method ${entry.method}` });
    if (/\.(zip|gz|7z|rar|tar)$/i.test(entry.name))
      throw new TableError(name, 'data.nested_archive');
    return stored(name, spool, () =>
      guarded(readEntry(path, entry, name), entry.compressed, name, limits),
    );
  });
}

const CHUNK = { highWaterMark: 256 * 1024 };

/** A part that has no file of its own until a reader asks for one. */
function stored(file: string, spool: Spool, read: () => AsyncIterable<Buffer>): Part {
  let path: Promise<string> | null = null;
  return {
    file,
    open: read,
    local: () => {
      path ??= spool.keep(file, read());
      return path;
    },
  };
}

async function* gunzip(path: string, file: string): AsyncGenerator<Buffer> {
  const raw = createReadStream(path, CHUNK);
  const unzip = createGunzip({ chunkSize: 256 * 1024 });
  raw.on('error', (error) => unzip.destroy(error));
  try {
    yield* raw.pipe(unzip) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new TableError(file, 'data.damaged_archive', { reason: (error as Error).message });
  } finally {
    raw.destroy();
    unzip.destroy();
  }
}

/** Stops a zip bomb: nobody's rows shrink to a three-hundredth. */
async function* guarded(
  bytes: AsyncIterable<Buffer>,
  packed: number,
  file: string,
  { expansion }: Limits,
): AsyncGenerator<Buffer> {
  let out = 0;
  for await (const chunk of bytes) {
    out += chunk.length;
    if (out > FREE_BYTES && out > packed * expansion)
      throw new TableError(file, 'data.zip_bomb', { packed, times: expansion });
    yield chunk;
  }
}
const FREE_BYTES = 64 * 1024 * 1024;

/** A workbook is held as a whole. Its directory may lie, so the entries are unpacked once and counted. */
async function refuseHuge(
  path: string,
  entries: readonly ZipEntry[],
  file: string,
  { wholeBytes: limit }: Limits,
): Promise<void> {
  const refuse = (bytes: number) => {
    if (bytes > limit) throw new TableError(file, 'data.too_big_whole', { bytes, limit });
  };
  refuse(entries.reduce((sum, { size }) => sum + size, 0));
  let bytes = 0;
  for (const entry of entries) {
    if (entry.encrypted) throw new TableError(file, 'data.password');
    for await (const chunk of readEntry(path, entry, file)) {
      bytes += chunk.length;
      refuse(bytes);
    }
  }
}

async function refuseTar(part: Part, file: string): Promise<void> {
  const head = await firstOf(part.open(), 262);
  if (head.subarray(257, 262).toString('latin1') === 'ustar')
    throw new TableError(file, 'data.tar');
}

/** The first bytes of a part, as many as there are up to `length`. */
export async function firstOf(bytes: AsyncIterable<Buffer>, length: number): Promise<Buffer> {
  const kept: Buffer[] = [];
  let have = 0;
  for await (const chunk of bytes) {
    kept.push(chunk);
    have += chunk.length;
    if (have >= length) break;
  }
  return Buffer.concat(kept).subarray(0, length);
}

async function firstBytes(path: string, length: number): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await handle.read(buffer, 0, length, 0);
    return bytesRead === 0 ? buffer.subarray(0, 0) : buffer;
  } finally {
    await handle.close();
  }
}

/** Throws TableError where there is nothing at the path. */
export async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      const link = await lstat(path).catch(() => null);
      throw new TableError(path, link === null ? 'data.no_file' : 'data.link_nowhere');
    }
    if (code === 'ELOOP') throw new TableError(path, 'data.link_circle');
    throw error;
  }
}

async function* toBuffers(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const chunk of stream)
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}

/** Temporary copies, deleted together. */
class Spool {
  #folder: string | null = null;
  #gone = () => {};
  #files = 0;
  readonly #signal: AbortSignal | undefined;
  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }
  async keep(name: string, bytes: AsyncIterable<Buffer>): Promise<string> {
    this.#folder ??= this.#make();
    this.#files += 1;
    const extension = /\.\w{1,8}$/.exec(basename(name))?.[0] ?? '';
    const path = join(this.#folder, `${this.#files}${extension}`);
    const options = this.#signal === undefined ? {} : { signal: this.#signal };
    const file = createWriteStream(path);
    try {
      await pipeline(bytes, file, options);
    } catch (error) {
      throw error === file.errored && 'syscall' in Object(error)
        ? new WriteError(path, error)
        : error;
    }
    return path;
  }
  /** Not awaited: a process that is told to end in between would leave the folder. */
  #make(): string {
    const folder = mkdtempSync(join(tmpdir(), 'tunery-table-'));
    this.#gone = removeOnExit(folder);
    return folder;
  }
  async close(): Promise<void> {
    if (this.#folder !== null) await rm(this.#folder, { recursive: true, force: true });
    this.#gone();
    this.#folder = null;
  }
}
