// Writes GGUF version 3. Tensors are asked for one at a time, so memory holds the largest only.
import type { FileHandle } from 'node:fs/promises';
import { writeAll, writeAtomically } from './atomic-write.ts';
import { BLOCKS, type TensorType, VALUE_TYPES } from './gguf.ts';

/** A metadata value with its type in the file; arrays hold values of one type. */
export type GgufField =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'u64'; readonly value: number | bigint }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'string[]'; readonly value: readonly string[] }
  | { readonly type: 'i32[]' | 'f32[]'; readonly value: readonly number[] };

export type GgufTensorSource = {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  /** Exactly as many bytes as shape and type ask for. */
  readonly bytes: () => Promise<Uint8Array>;
};

const ALIGNMENT = 32;

/** Replaces `path` only when all of the new file is on the disk. */
export async function writeGguf(
  path: string,
  fields: ReadonlyMap<string, GgufField>,
  tensors: readonly GgufTensorSource[],
): Promise<void> {
  await writeAtomically(path, async (handle) => {
    const header = encodeHeader(fields, tensors);
    await writeAll(handle, header);
    await pad(handle, header.length);
    for (const tensor of tensors) {
      const bytes = await tensor.bytes();
      if (bytes.length !== byteLength(tensor))
        throw new RangeError(
          `tensor '${tensor.name}' has ${bytes.length} bytes, expected ${byteLength(tensor)}`,
        );
      await writeAll(handle, bytes);
      await pad(handle, bytes.length);
    }
  });
}

const byteLength = ({ shape, type }: GgufTensorSource) =>
  (shape.reduce((product, n) => product * n, 1) / BLOCKS[type].elements) * BLOCKS[type].bytes;

const aligned = (length: number) => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

const pad = (handle: FileHandle, written: number) =>
  writeAll(handle, new Uint8Array(aligned(written) - written));

function encodeHeader(
  fields: ReadonlyMap<string, GgufField>,
  tensors: readonly GgufTensorSource[],
): Buffer {
  const parts: Buffer[] = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(fields.size)];
  for (const [key, field] of fields) parts.push(text(key), ...encodeField(field));
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    const dimensions = shape.toReversed().map(u64);
    parts.push(text(name), u32(shape.length), ...dimensions, u32(BLOCKS[type].id), u64(offset));
    offset += aligned(byteLength(tensor));
  }
  return Buffer.concat(parts);
}

function encodeField({ type, value }: GgufField): Buffer[] {
  if (type === 'string[]') return [...arrayHead('string', value.length), ...value.map(text)];
  if (type === 'i32[]') return [...arrayHead('i32', value.length), ...value.map(i32)];
  if (type === 'f32[]') return [...arrayHead('f32', value.length), ...value.map(f32)];
  return [typeId(type), encodeScalar({ type, value } as GgufField)];
}

function encodeScalar(field: GgufField): Buffer {
  if (field.type === 'string') return text(field.value);
  if (field.type === 'bool') return Buffer.from([field.value ? 1 : 0]);
  if (field.type === 'u32') return u32(field.value);
  if (field.type === 'i32') return i32(field.value);
  if (field.type === 'u64') return u64(field.value);
  if (field.type === 'f32') return f32(field.value);
  throw new TypeError(`not a scalar: ${field.type}`);
}

const typeId = (type: (typeof VALUE_TYPES)[number]) => u32(VALUE_TYPES.indexOf(type));
const arrayHead = (type: 'string' | 'i32' | 'f32', length: number) => [
  typeId('array'),
  typeId(type),
  u64(length),
];

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}
