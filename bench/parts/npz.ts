// Reads the .npz files of numpy.savez: a zip archive of stored (not deflated) .npy arrays of f32.
import { readFileSync } from 'node:fs';

export type NpyArray = { readonly shape: readonly number[]; readonly data: Float32Array };

export function readNpz(file: string): Map<string, NpyArray> {
  const bytes = readFileSync(file);
  const arrays = new Map<string, NpyArray>();
  const end = bytes.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (bytes.readUInt16LE(at + 10) !== 0)
      throw new Error(`${file}: compressed entries are not read`);
    const nameLength = bytes.readUInt16LE(at + 28);
    const name = bytes.toString('utf8', at + 46, at + 46 + nameLength);
    const local = bytes.readUInt32LE(at + 42);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    arrays.set(
      name.replace(/\.npy$/, ''),
      readNpy(bytes.subarray(start, start + bytes.readUInt32LE(at + 24))),
    );
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return arrays;
}

function readNpy(bytes: Buffer): NpyArray {
  const headerLength = bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, 10 + headerLength);
  if (!header.includes("'<f4'") || header.includes("'fortran_order': True"))
    throw new Error(`only little-endian f32 in C order is read, got ${header.trim()}`);
  const shape = [...header.matchAll(/\((.*?)\)/g)][0]![1]!
    .split(',')
    .filter((d) => d.trim())
    .map(Number);
  const data = bytes.subarray(10 + headerLength);
  return { shape, data: new Float32Array(Uint8Array.from(data).buffer) };
}
