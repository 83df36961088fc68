// Just enough of the protocol-buffers wire format to write ONNX models.
// https://protobuf.dev/programming-guides/encoding/
export type Field = Uint8Array;

export const message = (...fields: readonly (readonly Field[] | Field)[]): Uint8Array =>
  Buffer.concat(fields.flatMap((field) => (field instanceof Uint8Array ? [field] : [...field])));

export const integer = (tag: number, value: number | bigint): Field =>
  Buffer.concat([varint(BigInt(tag) << 3n), varint(BigInt(value))]);

export function float(tag: number, value: number): Field {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((BigInt(tag) << 3n) | 5n), bytes]);
}

export const bytes = (tag: number, value: Uint8Array): Field =>
  Buffer.concat([varint((BigInt(tag) << 3n) | 2n), varint(BigInt(value.byteLength)), value]);

export const text = (tag: number, value: string): Field => bytes(tag, Buffer.from(value));

function varint(value: bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value); // negative numbers are ten bytes of two's complement
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Buffer.from(out);
}
