// The bundled tiny model has no chat template; tests that need one put their own into a copy of its file.

/** A GGUF file with one more field at its front; its length is a multiple of the alignment. */
export function withTemplate(file: Buffer, template: string): Buffer {
  const key = Buffer.from('tokenizer.chat_template');
  const fixed = 8 + key.length + 4 + 8;
  const padding = 32 - ((fixed + template.length + 4) % 32);
  const value = Buffer.from(`${template}{#${' '.repeat(padding)}#}`);
  const field = Buffer.alloc(fixed);
  field.writeBigUInt64LE(BigInt(key.length), 0);
  key.copy(field, 8);
  field.writeUInt32LE(8, 8 + key.length); // a string
  field.writeBigUInt64LE(BigInt(value.length), 12 + key.length);
  const header = Buffer.from(file.subarray(0, 24));
  header.writeBigUInt64LE(header.readBigUInt64LE(16) + 1n, 16);
  return Buffer.concat([header, field, value, file.subarray(24)]);
}
