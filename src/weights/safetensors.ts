// Reads and writes safetensors; a sharded Hugging Face model is read as if it were one file.
// Values are floats: F32, F16 and BF16 come as Float32Array, anything else is refused by name.
// Format: an 8-byte length, a JSON header, the tensors (huggingface/safetensors, README).
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CodedError } from '../lib/coded-error.ts';
import { writeAll, writeAtomically } from './atomic-write.ts';
import { readExactly } from './gguf.ts';
import { parseJson } from './parse-json.ts';
import { dequantize } from './quantize.ts';

export type FloatType = 'F32' | 'F16' | 'BF16';
export type SafetensorsEntry = { readonly dtype: FloatType; readonly shape: readonly number[] };

export async function openSafetensors(path: string): Promise<Safetensors> {
  return new Safetensors(path, [await openShard(path)]);
}

/** All shards that `model.safetensors.index.json` at `path` lists. */
export async function openShards(path: string): Promise<Safetensors> {
  const Index = z.object({ weight_map: z.record(z.string(), z.string()) });
  const index = parseJson(Index, await readFile(path, 'utf8'), path);
  const shards: Shard[] = [];
  try {
    for (const name of new Set(Object.values(index.weight_map)))
      shards.push(await openShard(join(dirname(path), name)));
    const file = new Safetensors(path, shards);
    for (const [name, shard] of Object.entries(index.weight_map))
      if (!file.entries.has(name))
        throw new SafetensorsError(
          `${path} lists tensor '${name}', but ${shard} does not hold it.`,
        );
    return file;
  } catch (error) {
    for (const { handle } of shards) await handle.close();
    throw error;
  }
}

export class SafetensorsError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('invalid_safetensors', message, { cause });
  }
}

export class Safetensors {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly #path: string;
  readonly #shards: readonly Shard[];
  constructor(path: string, shards: readonly Shard[]) {
    this.#path = path;
    this.#shards = shards;
    this.entries = new Map(shards.flatMap(({ entries }) => [...entries]));
  }

  /** The tensor as 32-bit floats, row-major. */
  async tensor(name: string): Promise<Float32Array> {
    const { dtype, bytes } = await this.bytes(name);
    return dequantize(dtype, bytes);
  }

  /** The tensor as it is in the file. */
  async bytes(name: string): Promise<{ dtype: FloatType; bytes: Uint8Array }> {
    const shard = this.#shards.find(({ entries }) => entries.has(name));
    const entry = shard?.entries.get(name);
    if (!shard || !entry) throw new SafetensorsError(`${this.#path} has no tensor '${name}'.`);
    const what = `${shard.path}: tensor '${name}'`;
    const bytes = await readExactly(shard.handle, entry.start, entry.bytes, what);
    return { dtype: entry.dtype, bytes };
  }

  async close(): Promise<void> {
    for (const { handle } of this.#shards) await handle.close();
  }
}

type Entry = SafetensorsEntry & { readonly start: number; readonly bytes: number };
type Shard = {
  readonly path: string;
  readonly handle: FileHandle;
  readonly entries: ReadonlyMap<string, Entry>;
};

async function openShard(path: string): Promise<Shard> {
  const handle = await open(path, 'r');
  try {
    return { path, handle, entries: await readHeader(path, handle) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const HeaderEntry = z.object({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const AnyHeader = z
  .looseObject({ __metadata__: z.record(z.string(), z.string()).optional() })
  .transform(({ __metadata__: _, ...tensors }) => tensors)
  .pipe(z.record(z.string(), HeaderEntry));
const BYTES: Readonly<Record<FloatType, number>> = { F32: 4, F16: 2, BF16: 2 };
const isFloat = (dtype: string): dtype is FloatType => dtype in BYTES;

async function readHeader(path: string, handle: FileHandle): Promise<Map<string, Entry>> {
  const { size } = await handle.stat();
  if (size < 8) throw new SafetensorsError(`${path} is not a safetensors file: ${size} bytes.`);
  const prefix = await readExactly(handle, 0, 8, path);
  const length = Number(Buffer.from(prefix.buffer).readBigUInt64LE(0));
  if (length > size - 8)
    throw new SafetensorsError(
      `${path} is truncated or not a safetensors file: a header of ${length} bytes in ${size} bytes.`,
    );
  const text = Buffer.from(await readExactly(handle, 8, length, path)).toString('utf8');
  const entries = new Map<string, Entry>();
  for (const [name, value] of Object.entries(parseJson(AnyHeader, text, `${path}: header`))) {
    const { dtype, shape, data_offsets } = value;
    if (!isFloat(dtype))
      throw new SafetensorsError(
        `${path}: tensor '${name}' has type ${dtype}; supported are ${Object.keys(BYTES).join(', ')}.`,
      );
    const bytes = data_offsets[1] - data_offsets[0];
    const expected = shape.reduce((product, n) => product * n, 1) * BYTES[dtype];
    const start = 8 + length + data_offsets[0];
    if (bytes !== expected || start + bytes > size)
      throw new SafetensorsError(
        `${path} is truncated or damaged: tensor '${name}' [${shape.join(', ')}] needs ${expected} bytes from byte ${start}, the file has ${size}.`,
      );
    entries.set(name, { dtype, shape, start, bytes });
  }
  return entries;
}

export type SafetensorsSource = SafetensorsEntry & {
  readonly name: string;
  readonly bytes: () => Promise<Uint8Array>;
};

/** Replaces `path` only when all of the new file is on the disk; asks for one tensor at a time. */
export async function writeSafetensors(
  path: string,
  tensors: readonly SafetensorsSource[],
): Promise<void> {
  // transformers refuses a file without this entry.
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + byteLength(tensor);
    header[tensor.name] = {
      dtype: tensor.dtype,
      shape: tensor.shape,
      data_offsets: [offset, end],
    };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(Math.ceil(json.length / 8) * 8, ' ');
  json.copy(padded);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  await writeAtomically(path, async (handle) => {
    await writeAll(handle, prefix);
    await writeAll(handle, padded);
    for (const tensor of tensors) {
      const bytes = await tensor.bytes();
      if (bytes.length !== byteLength(tensor))
        throw new RangeError(
          `tensor '${tensor.name}' has ${bytes.length} bytes, expected ${byteLength(tensor)}`,
        );
      await writeAll(handle, bytes);
    }
  });
}

const byteLength = ({ dtype, shape }: SafetensorsEntry) =>
  shape.reduce((product, n) => product * n, 1) * BYTES[dtype];
