// Base models are the files that lie in the model folders: GGUF files, and Hugging Face folders, which
// become a GGUF file under the data directory when they are first used. Folders may be read-only.
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';

export type BaseModel = {
  readonly id: string;
  /** Name of the file or folder: what a fine-tuned model remembers, as ids may change. */
  readonly file: string;
  readonly kind: 'gguf' | 'folder';
  readonly path: string;
  readonly created_at: number;
  /** Of the weights. */
  readonly bytes: number;
  /** Lies in the data directory and may be deleted. */
  readonly own: boolean;
};

/** Writes one GGUF file from a Hugging Face folder. */
export type Convert = (source: string, output: string, signal?: AbortSignal) => Promise<void>;

export type BaseModels = {
  readonly list: () => Promise<BaseModel[]>;
  /** By id, file name or stem, whatever the case. Throws `model_ambiguous` when several fit. */
  readonly find: (name: string) => Promise<BaseModel | null>;
  /** Path of the GGUF file; converts a folder. Null when the file or folder is gone. */
  readonly gguf: (file: string) => Promise<string | null>;
  readonly remove: (model: BaseModel) => Promise<void>;
  /** The data directory's own folder of models. */
  readonly folder: string;
  readonly refresh: () => void;
};

const SCAN_AGE_MS = 1000; // a list of a few folders; asked for with every request

export function baseModels(
  own: string,
  others: readonly string[],
  convert: Convert,
  now: () => number,
): BaseModels {
  let scanned: { readonly at: number; readonly models: Promise<BaseModel[]> } | null = null;
  const conversions = new Map<string, Promise<string>>();
  const list = () => {
    if (scanned === null || now() - scanned.at > SCAN_AGE_MS) {
      scanned = { at: now(), models: discover(own, others) };
    }
    return scanned.models;
  };
  const refresh = () => {
    scanned = null;
  };
  const convertOnce = (model: BaseModel) => {
    const running = conversions.get(model.id);
    if (running !== undefined) return running;
    const output = join(own, `${model.id}.gguf`);
    const conversion = convertInto(model, output, convert).finally(() => {
      conversions.delete(model.id);
      refresh();
    });
    conversions.set(model.id, conversion);
    return conversion;
  };
  return {
    list,
    find: async (name) => pick(await list(), name),
    gguf: async (file) => {
      const model = (await list()).find((candidate) => candidate.file === file);
      if (model === undefined || !(await exists(model.path))) return null;
      return model.kind === 'gguf' ? model.path : await convertOnce(model);
    },
    remove: async (model) => {
      await rm(model.path, { force: true });
      await rm(sidecar(model.path), { force: true });
      refresh();
    },
    folder: own,
    refresh,
  };
}

/** Says where an imported GGUF file came from; its model keeps the folder's name as id. */
const Origin = z.strictObject({ id: z.string(), source: z.string() });
const sidecar = (gguf: string) => `${gguf}.json`;

export async function writeOrigin(gguf: string, id: string, source: string): Promise<void> {
  await writeFile(sidecar(gguf), JSON.stringify({ id, source }));
}

async function convertInto(model: BaseModel, output: string, convert: Convert): Promise<string> {
  await mkdir(dirname(output), { recursive: true });
  await writeOrigin(output, model.id, model.path);
  await convert(model.path, output);
  return output;
}

type Candidate = Omit<BaseModel, 'id'> & { readonly stem: string; readonly short: string };

async function discover(own: string, others: readonly string[]): Promise<BaseModel[]> {
  const found: Candidate[] = [];
  for (const [i, folder] of [own, ...others].entries()) {
    for await (const candidate of candidates(folder, i === 0, 2)) {
      // The first folder wins, so that an imported folder is not listed a second time.
      const known = found.some(({ file }) => same(file, candidate.file));
      if (!known) found.push(candidate);
    }
  }
  return found.map(({ stem, short, ...model }) => {
    const shared = found.filter((other) => same(other.short, short)).length > 1;
    return { id: shared ? stem : short, ...model };
  });
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

async function* candidates(folder: string, own: boolean, depth: number): AsyncGenerator<Candidate> {
  const names = await readdir(folder).catch((): string[] => []); // a folder that is not there holds no models
  if (names.includes('config.json') && names.some((name) => name.endsWith('.safetensors'))) {
    const name = basename(folder);
    const { mtimeMs } = await stat(join(folder, 'config.json'));
    const created_at = Math.floor(mtimeMs / 1000);
    let bytes = 0;
    for (const part of names.filter((entry) => entry.endsWith('.safetensors')))
      bytes += (await stat(join(folder, part))).size;
    const named = { file: name, stem: name, short: name };
    yield { ...named, kind: 'folder', path: folder, created_at, bytes, own };
    return;
  }
  for (const name of names.sort()) {
    const path = join(folder, name);
    const entry = await stat(path).catch(() => null); // follows links; a dangling one is no model
    if (entry === null || name.startsWith('.')) continue;
    if (entry.isDirectory()) {
      if (depth > 0) yield* candidates(path, own, depth - 1);
    } else if (name.toLowerCase().endsWith('.gguf') && (await isGguf(path))) {
      const created_at = Math.floor(entry.mtimeMs / 1000);
      yield { ...(await naming(path)), kind: 'gguf', path, created_at, bytes: entry.size, own };
    }
  }
}

// As llama.cpp's tools name their files: Q4_1, Q4_K_M, IQ3_XS, F16, BF16.
const QUANTIZATION = /[.\-_](i?q\d[a-z0-9_]*|b?f16|f32|fp16|fp32|mxfp4)$/;

async function naming(path: string) {
  const origin = await readFile(sidecar(path), 'utf8').catch(() => null);
  if (origin !== null) {
    const { id } = Origin.parse(JSON.parse(origin));
    return { file: id, stem: id, short: id };
  }
  const stem = basename(path).slice(0, -'.gguf'.length).toLowerCase();
  return { file: basename(path), stem, short: stem.replace(QUANTIZATION, '') || stem };
}

async function isGguf(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null); // not readable for us: not ours to offer
  if (file === null) return false;
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close());
  return buffer.toString('latin1') === 'GGUF';
}

function pick(models: readonly BaseModel[], name: string): BaseModel | null {
  const exact = models.find(({ id, file }) => same(id, name) || same(file, name));
  if (exact !== undefined) return exact;
  const fits = models.filter(({ file }) => {
    const stem = file.toLowerCase().replace(/\.gguf$/, '');
    return same(stem, name) || same(stem.replace(QUANTIZATION, ''), name);
  });
  if (fits.length < 2) return fits[0] ?? null;
  const known = fits.map(({ id }) => id).join(', ');
  const message = say('refusal.model_ambiguous', { name, known });
  throw new CodedError('model_ambiguous', message, { param: 'model' });
}

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );
