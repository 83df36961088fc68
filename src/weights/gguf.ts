// Reads GGUF (versions 2 and 3, little-endian): metadata, tensor directory, raw bytes of a tensor.
// Reads by position, so that a file past 2 GB never has to fit into one buffer.
// Knows no architecture; what the bytes of a type mean is quantize.ts's business.
// Specification: ggml-org/ggml, docs/gguf.md.
import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';

export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;
export type GgufTensor = {
  readonly name: string;
  /** Outermost dimension first, as PyTorch prints it; the file stores the reverse. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** From the start of the file. */
  readonly offset: number;
  readonly bytes: number;
};
export type TensorType = keyof typeof BLOCKS;

/** Opens the file and reads everything but the tensors. Throws GgufError. Close it when done. */
export async function openGguf(path: string): Promise<GgufFile> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    return new GgufFile(path, handle, readHeader(path, handle.fd, size));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Keys and values alone, whatever the types of the tensors: what llama.cpp loads may be more than we read. */
export async function readGgufMetadata(path: string): Promise<GgufMetadata> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    return readFront(path, new Cursor(path, handle.fd, size), size).metadata;
  } finally {
    await handle.close();
  }
}

export class GgufError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('invalid_gguf', message, { cause });
  }
}

/** The file once was a good one: a copy or a download that ended early, or a disk that forgets. */
export class DamagedGguf extends GgufError {
  constructor(remark: string) {
    super(say('failure.damaged_model', { remark }));
  }
}

export class GgufFile {
  readonly path: string;
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly #handle: FileHandle;
  constructor(path: string, handle: FileHandle, header: Header) {
    this.path = path;
    this.version = header.version;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.#handle = handle;
  }

  /** The tensor's bytes as they are in the file. */
  async bytes(name: string): Promise<Uint8Array> {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new GgufError(`${this.path} has no tensor '${name}'.`);
    return readExactly(this.#handle, tensor.offset, tensor.bytes, `${this.path}: tensor '${name}'`);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Elements and bytes of one block of each tensor type that Tunery reads. */
export const BLOCKS = {
  F32: { id: 0, elements: 1, bytes: 4 },
  F16: { id: 1, elements: 1, bytes: 2 },
  Q4_0: { id: 2, elements: 32, bytes: 18 },
  Q4_1: { id: 3, elements: 32, bytes: 20 },
  Q5_0: { id: 6, elements: 32, bytes: 22 },
  Q5_1: { id: 7, elements: 32, bytes: 24 },
  Q8_0: { id: 8, elements: 32, bytes: 34 },
  Q4_K: { id: 12, elements: 256, bytes: 144 },
  Q5_K: { id: 13, elements: 256, bytes: 176 },
  Q6_K: { id: 14, elements: 256, bytes: 210 },
  BF16: { id: 30, elements: 1, bytes: 2 },
} as const;

/** Types that exist in GGUF but not here, so that an error can call them by name. */
const UNSUPPORTED: Readonly<Record<number, string>> = {
  9: 'Q8_1', 10: 'Q2_K', 11: 'Q3_K', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS',
  19: 'IQ1_S', 20: 'IQ4_NL', 21: 'IQ3_S', 22: 'IQ2_S', 23: 'IQ4_XS', 24: 'I8', 25: 'I16', 26: 'I32',
  27: 'I64', 28: 'F64', 29: 'IQ1_M', 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4',
}; // biome-ignore format: a table
const TYPE_BY_ID = new Map(
  Object.entries(BLOCKS).map(([name, { id }]) => [id as number, name as TensorType]),
);

/** Value types of the metadata, by their number in the file. */
export const VALUE_TYPES = [
  'u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64',
] as const; // biome-ignore format: a table

type Header = {
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
};

/** Up to the directory of tensors. */
function readFront(path: string, cursor: Cursor, size: number) {
  const magic = size >= 4 ? cursor.u32() : 0;
  if (magic !== 0x46554747)
    throw new GgufError(`${path} is not a GGUF file: it does not begin with 'GGUF'.`);
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    throw new GgufError(
      `${path} has GGUF version ${version > 0xffff ? 'of a big-endian file' : version}; supported are versions 2 and 3, little-endian.`,
    );
  const tensorCount = cursor.length('tensors');
  const metadata = new Map<string, GgufValue>();
  for (let left = cursor.length('metadata keys'); left > 0; left -= 1) {
    const key = cursor.string();
    metadata.set(key, cursor.value(cursor.u32(), key));
  }
  return { version, tensorCount, metadata };
}

function readHeader(path: string, fd: number, size: number): Header {
  const cursor = new Cursor(path, fd, size);
  const { version, tensorCount, metadata } = readFront(path, cursor, size);
  const directory = Array.from({ length: tensorCount }, () => readTensorEntry(cursor, path));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || alignment < 1)
    throw new GgufError(`${path}: general.alignment is ${alignment}, expected a positive number.`);
  const start = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const entry of directory) {
    const tensor = { ...entry, offset: start + entry.offset };
    if (tensor.offset + tensor.bytes > size)
      throw new DamagedGguf(
        say('part.truncated_tensor', {
          path,
          tensor: tensor.name,
          end: tensor.offset + tensor.bytes,
          size,
        }),
      );
    tensors.set(tensor.name, tensor);
  }
  return { version, metadata, tensors };
}

function readTensorEntry(cursor: Cursor, path: string): GgufTensor {
  const name = cursor.string();
  const dimensions = cursor.u32();
  if (dimensions > 8)
    throw new GgufError(`${path}: tensor '${name}' claims ${dimensions} dimensions.`);
  const shape = Array.from({ length: dimensions }, () => cursor.u64()).reverse();
  const typeId = cursor.u32();
  const offset = cursor.u64();
  const type = TYPE_BY_ID.get(typeId);
  if (!type)
    throw new GgufError(
      `${path}: tensor '${name}' has type ${UNSUPPORTED[typeId] ?? `number ${typeId}`}; supported are ${Object.keys(BLOCKS).join(', ')}.`,
    );
  const count = shape.reduce((product, size) => product * size, 1);
  const block = BLOCKS[type];
  if ((shape.at(-1) ?? 1) % block.elements !== 0)
    throw new GgufError(
      `${path}: rows of tensor '${name}' have ${shape.at(-1)} elements, not a multiple of ${type}'s block of ${block.elements}.`,
    );
  return { name, shape, type, offset, bytes: (count / block.elements) * block.bytes };
}

/** Walks the header in windows of one megabyte. */
class Cursor {
  position = 0;
  readonly #path: string;
  readonly #fd: number;
  readonly #size: number;
  #window = Buffer.alloc(0);
  #windowStart = 0;
  constructor(path: string, fd: number, size: number) {
    this.#path = path;
    this.#fd = fd;
    this.#size = size;
  }

  #take(count: number): { buffer: Buffer; at: number } {
    let at = this.position - this.#windowStart;
    if (at + count > this.#window.length) {
      if (this.position + count > this.#size)
        throw new DamagedGguf(
          say('part.truncated', {
            path: this.#path,
            count,
            at: this.position,
            size: this.#size,
          }),
        );
      const wanted = Math.min(Math.max(count, 1 << 20), this.#size - this.position);
      const window = Buffer.allocUnsafe(wanted);
      for (let got = 0; got < wanted; ) {
        const read = readSync(this.#fd, window, got, wanted - got, this.position + got);
        if (read === 0) throw new DamagedGguf(`${this.#path} became shorter while it was read.`);
        got += read;
      }
      this.#window = window;
      this.#windowStart = this.position;
      at = 0;
    }
    this.position += count;
    return { buffer: this.#window, at };
  }

  u32(): number {
    const { buffer, at } = this.#take(4);
    return buffer.readUInt32LE(at);
  }
  u64(): number {
    const { buffer, at } = this.#take(8);
    const value = buffer.readBigUInt64LE(at);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new DamagedGguf(`${this.#path} is damaged: a size of ${value} at byte ${at}.`);
    return Number(value);
  }
  /** A count of things that take at least one byte each. */
  length(what: string): number {
    const value = this.u64();
    if (value > this.#size)
      throw new DamagedGguf(
        `${this.#path} is truncated or damaged: it claims ${value} ${what} in ${this.#size} bytes.`,
      );
    return value;
  }
  string(): string {
    const length = this.length('bytes of text');
    const { buffer, at } = this.#take(length);
    return buffer.toString('utf8', at, at + length);
  }
  value(type: number, key: string): GgufValue {
    const kind = VALUE_TYPES[type];
    if (kind === undefined)
      throw new GgufError(`${this.#path}: metadata key '${key}' has unknown value type ${type}.`);
    if (kind === 'string') return this.string();
    if (kind === 'array') {
      const inner = this.u32();
      const length = this.length('array elements');
      return Array.from({ length }, () => this.value(inner, key));
    }
    const { buffer, at } = this.#take(SCALAR_BYTES[kind]);
    if (kind === 'u8') return buffer.readUInt8(at);
    if (kind === 'i8') return buffer.readInt8(at);
    if (kind === 'u16') return buffer.readUInt16LE(at);
    if (kind === 'i16') return buffer.readInt16LE(at);
    if (kind === 'u32') return buffer.readUInt32LE(at);
    if (kind === 'i32') return buffer.readInt32LE(at);
    if (kind === 'f32') return buffer.readFloatLE(at);
    if (kind === 'f64') return buffer.readDoubleLE(at);
    if (kind === 'bool') return buffer.readUInt8(at) !== 0;
    const wide = kind === 'u64' ? buffer.readBigUInt64LE(at) : buffer.readBigInt64LE(at);
    return Number.isSafeInteger(Number(wide)) ? Number(wide) : wide;
  }
}

const SCALAR_BYTES = {
  u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, bool: 1, u64: 8, i64: 8, f64: 8,
} as const; // biome-ignore format: a table

/** Reads `length` bytes at `position`; a single read call ends at 2 GiB, hence the pieces. */
export async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
  what: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const PIECE = 1 << 28;
  for (let got = 0; got < length; ) {
    const count = Math.min(PIECE, length - got);
    const { bytesRead } = await handle.read(bytes, got, count, position + got);
    if (bytesRead === 0)
      throw new DamagedGguf(`${what} is truncated: ${got} of ${length} bytes could be read.`);
    got += bytesRead;
  }
  return bytes;
}
