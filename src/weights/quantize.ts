// Turns the bytes of a tensor into Float32Array, for each type that gguf.ts lists.
// Layouts: ggml-org/llama.cpp, ggml/src/ggml-common.h (block_q4_0 … block_q6_K).
import { BLOCKS, type TensorType } from './gguf.ts';

/** `bytes` holds whole blocks of `type`. */
export function dequantize(type: TensorType, bytes: Uint8Array): Float32Array {
  const block = BLOCKS[type];
  if (bytes.length % block.bytes !== 0)
    throw new RangeError(`${bytes.length} bytes are not whole blocks of ${type}`);
  const out = new Float32Array((bytes.length / block.bytes) * block.elements);
  DECODERS[type](bytes, out);
  return out;
}

type Decoder = (bytes: Uint8Array, out: Float32Array) => void;
const DECODERS: Record<TensorType, Decoder> = {
  F32: (bytes, out) => new Uint8Array(out.buffer).set(bytes),
  F16: (bytes, out) => {
    for (let i = 0; i < out.length; i++) out[i] = HALF[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
  },
  BF16: (bytes, out) => {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < out.length; i++)
      bits[i] = ((bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24)) >>> 0;
  },
  Q8_0: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 34, o += 32) {
      const scale = half(bytes, at);
      for (let j = 0; j < 32; j++) out[o + j] = scale * ((bytes[at + 2 + j]! << 24) >> 24);
    }
  },
  Q4_0: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 18, o += 32) {
      const scale = half(bytes, at);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 2 + j]!;
        out[o + j] = scale * ((pair & 15) - 8);
        out[o + j + 16] = scale * ((pair >> 4) - 8);
      }
    }
  },
  Q4_1: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 20, o += 32) {
      const scale = half(bytes, at);
      const low = half(bytes, at + 2);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 4 + j]!;
        out[o + j] = Math.fround(scale * (pair & 15)) + low;
        out[o + j + 16] = Math.fround(scale * (pair >> 4)) + low;
      }
    }
  },
  Q5_0: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 22, o += 32) {
      const scale = half(bytes, at);
      const high = word(bytes, at + 2);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 6 + j]!;
        out[o + j] = scale * (((pair & 15) | (((high >>> j) & 1) << 4)) - 16);
        out[o + j + 16] = scale * (((pair >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16);
      }
    }
  },
  Q5_1: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 24, o += 32) {
      const scale = half(bytes, at);
      const low = half(bytes, at + 2);
      const high = word(bytes, at + 4);
      for (let j = 0; j < 16; j++) {
        const pair = bytes[at + 8 + j]!;
        const first = (pair & 15) | (((high >>> j) & 1) << 4);
        const second = (pair >> 4) | (((high >>> (j + 16)) & 1) << 4);
        out[o + j] = Math.fround(scale * first) + low;
        out[o + j + 16] = Math.fround(scale * second) + low;
      }
    }
  },
  Q4_K: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 144, o += 256) {
      const scale = half(bytes, at);
      const low = half(bytes, at + 2);
      for (let group = 0; group < 8; group++) {
        const [d, m] = groupScale(bytes, at + 4, group, scale, low);
        const codes = at + 16 + (group >> 1) * 32;
        const shift = (group & 1) * 4;
        for (let j = 0; j < 32; j++)
          out[o + group * 32 + j] = Math.fround(d * ((bytes[codes + j]! >> shift) & 15)) - m;
      }
    }
  },
  Q5_K: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 176, o += 256) {
      const scale = half(bytes, at);
      const low = half(bytes, at + 2);
      for (let group = 0; group < 8; group++) {
        const [d, m] = groupScale(bytes, at + 4, group, scale, low);
        const codes = at + 48 + (group >> 1) * 32;
        const shift = (group & 1) * 4;
        for (let j = 0; j < 32; j++) {
          const high = ((bytes[at + 16 + j]! >> group) & 1) << 4;
          const code = ((bytes[codes + j]! >> shift) & 15) | high;
          out[o + group * 32 + j] = Math.fround(d * code) - m;
        }
      }
    }
  },
  Q6_K: (bytes, out) => {
    for (let at = 0, o = 0; at < bytes.length; at += 210, o += 256) {
      const scale = half(bytes, at + 208);
      for (let i = 0; i < 256; i++) {
        // 128 elements share 64 bytes of low nibbles and 32 bytes of high bit pairs.
        const chunk = i >> 7;
        const quarter = (i >> 5) & 3;
        const j = i & 31;
        const low = bytes[at + chunk * 64 + (quarter & 1) * 32 + j]! >> ((quarter >> 1) * 4);
        const high = (bytes[at + 128 + chunk * 32 + j]! >> (quarter * 2)) & 3;
        const factor = (bytes[at + 192 + (i >> 4)]! << 24) >> 24;
        out[o + i] = Math.fround(scale * factor) * (((low & 15) | (high << 4)) - 32);
      }
    }
  },
};

/** Scale and minimum of group 0…7: six bits each, packed into twelve bytes (get_scale_min_k4). */
function groupScale(
  bytes: Uint8Array,
  at: number,
  group: number,
  scale: number,
  low: number,
): [number, number] {
  const [a, b] = [bytes[at + group]!, bytes[at + group + 4]!];
  if (group < 4) return [Math.fround(scale * (a & 63)), Math.fround(low * (b & 63))];
  const before = bytes[at + group - 4]!;
  const factor = (b & 15) | ((before >> 6) << 4);
  const minimum = (b >> 4) | ((a >> 6) << 4);
  return [Math.fround(scale * factor), Math.fround(low * minimum)];
}

const half = (bytes: Uint8Array, at: number) => HALF[bytes[at]! | (bytes[at + 1]! << 8)]!;
const word = (bytes: Uint8Array, at: number) =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

/** Every 16-bit float, by its bits: a look-up is several times faster than taking bits apart. */
const HALF = Float32Array.from({ length: 65_536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});
