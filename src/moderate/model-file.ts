// The trained classifier on disk: a header, then for each category a bias, a scale and one signed byte
// per feature. Little-endian, whatever the machine.
import { CATEGORIES } from './categories.ts';
import { BUCKETS, FEATURES_VERSION } from './features.ts';

const MAGIC = 'TMOD';
const HEADER = 8; // magic, version of the features, number of categories
const PER_CATEGORY = 8 + BUCKETS;

export type LinearModel = {
  readonly bias: number;
  /** What one unit of a weight stands for. */
  readonly scale: number;
  readonly weights: Int8Array;
};

/** Models in the order of CATEGORIES. */
export function writeModel(models: readonly LinearModel[]): Uint8Array {
  const bytes = Buffer.alloc(HEADER + models.length * PER_CATEGORY);
  bytes.write(MAGIC, 'latin1');
  bytes.writeUInt16LE(FEATURES_VERSION, 4);
  bytes.writeUInt16LE(models.length, 6);
  for (const [i, { bias, scale, weights }] of models.entries()) {
    const at = HEADER + i * PER_CATEGORY;
    bytes.writeFloatLE(bias, at);
    bytes.writeFloatLE(scale, at + 4);
    bytes.set(new Uint8Array(weights.buffer, weights.byteOffset, BUCKETS), at + 8);
  }
  return bytes;
}

export function readModel(bytes: Buffer): LinearModel[] {
  const fits =
    bytes.toString('latin1', 0, 4) === MAGIC &&
    bytes.readUInt16LE(4) === FEATURES_VERSION &&
    bytes.readUInt16LE(6) === CATEGORIES.length &&
    bytes.length === HEADER + CATEGORIES.length * PER_CATEGORY;
  if (!fits) throw new Error('the moderation model does not fit this program; train it again');
  return CATEGORIES.map((_, i) => {
    const at = HEADER + i * PER_CATEGORY;
    return {
      bias: bytes.readFloatLE(at),
      scale: bytes.readFloatLE(at + 4),
      weights: new Int8Array(bytes.buffer, bytes.byteOffset + at + 8, BUCKETS),
    };
  });
}
