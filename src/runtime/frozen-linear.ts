// Multiplication by weights that are never trained: how they are stored and which ONNX nodes apply
// them. The one place to change when a faster or more exact form is found.
//
// As inputs of a session, weights are stored once and packed per call, which costs 3 % at 500 tokens.
import type { DType } from '../tensor/shape.ts';
import type { Emit } from './lower.ts';
import { MICROSOFT } from './onnx-encode.ts';

/** f32: exact. int8: products in eight bits, one scale per token and per output column. */
export type Precision = 'f32' | 'int8';

/** What a program needs of the frozen weight `weight`, in a form made by `storeFrozen`. */
export type FrozenInput = {
  readonly name: string;
  readonly weight: string;
  readonly form: FrozenForm;
  readonly dtype: DType;
  readonly shape: readonly number[];
};
export type FrozenForm = 'f32' | Int8Form;
/** Values are [in, out] as the product wants them, its rows turned (see `turned`), scales one per column;
 *  `back` is the transpose, not turned. */
type Int8Form = 'int8' | 'int8 scale' | 'int8 back' | 'int8 back scale';
type FrozenValue = { readonly data: Float32Array | Int8Array; readonly shape: readonly number[] };

type Linear = { weight: string; inSize: number; outSize: number; backward: boolean };

export function lowerFrozenLinear(emit: Emit, x: string, op: Linear, precision: Precision): string {
  const { weight, inSize, outSize, backward } = op;
  const ask = (form: FrozenForm, dtype: DType, shape: number[]) =>
    emit.frozen({ name: `${weight}/${form}`, weight, form, dtype, shape });
  if (precision === 'f32') {
    const w = ask('f32', 'f32', [outSize, inSize]);
    if (backward) return emit.node('MatMul', [x, w]);
    return emit.node('FusedMatMul', [x, w], { domain: MICROSOFT, transB: 1 });
  }
  const [form, from, to] = backward
    ? (['int8 back', outSize, inSize] as const)
    : (['int8', inSize, outSize] as const);
  const { normed, largest } = rowNormalised(emit, backward ? x : turned(emit, x, inSize));
  const w = ask(form, 'i8', [from, to]);
  const scale = ask(`${form} scale`, 'f32', [to]);
  const product = emit.node('DynamicQuantizeMatMul', [normed, w, scale], { domain: MICROSOFT });
  return emit.node('Mul', [product, largest]);
}

// The kernel quantises its whole input with one scale, which outliers of single tokens would ruin; with
// every row brought to a largest magnitude of 1 that scale serves all of them.
function rowNormalised(emit: Emit, x: string): { normed: string; largest: string } {
  return emit.once(`rows of ${x}`, () => {
    const size = emit.node('Abs', [x]);
    const most = emit.node('ReduceMax', [size, emit.integers([-1])], { keepdims: 1 });
    const largest = emit.node('Max', [most, emit.floats([1e-30])]); // padding may be all zeros
    return { normed: emit.node('Div', [x, largest]), largest };
  });
}

// A few channels carry values many times as large as the rest, and eight bits for the largest leave two
// or three for the others. Turning each stretch of 32 channels by an orthogonal matrix (Hadamard's, as in
// QuaRot, arXiv:2404.00456, but small enough to cost nothing) spreads them; the weights are turned alike,
// so the product stays the same. Errors of log-probabilities fell to a third. Gradients do not need it:
// with the backward in f32 training ends where it ends with eight bits.
const TURNED = 32;

function turned(emit: Emit, x: string, size: number): string {
  const width = turnedWidth(size);
  return emit.once(`turned ${x}`, () => {
    const stretches = emit.node('Reshape', [x, emit.integers([-1, width])]);
    const matrix = Float32Array.from({ length: width * width }, (_, i) =>
      i % (width + 1) === 0 ? 1 : 0,
    );
    turnRows(matrix, width);
    const product = emit.node('MatMul', [stretches, emit.floats([...matrix], [width, width])]);
    return emit.node('Reshape', [product, emit.integers([-1, size])]);
  });
}

/** The largest power of two up to 32 that divides `size`. */
const turnedWidth = (size: number) => Math.min(TURNED, size & -size);

/** Multiplies every stretch of `width` values by D·H/√width in place: D flips signs by the Rudin-Shapiro
 *  sequence, so that equal values do not add up in one place; H by the fast Walsh-Hadamard transform. */
function turnRows(values: Float32Array, width: number): void {
  const signs = Array.from({ length: width }, (_, i) => rudinShapiro(i) / Math.sqrt(width));
  for (let start = 0; start < values.length; start += width) {
    const end = start + width;
    for (let i = start; i < end; i++) values[i]! *= signs[i - start]!;
    for (let half = 1; half < width; half *= 2)
      for (let i = start; i < end; i += 2 * half)
        for (let j = i, k = i + half; j < i + half; j++, k++) {
          const a = values[j]!; // one pattern for both would build an array, at twice the time
          const b = values[k]!;
          values[j] = a + b;
          values[k] = a - b;
        }
  }
}

/** −1 to the number of places where two binary digits in a row are 1. */
function rudinShapiro(n: number): number {
  let sign = 1;
  for (let pairs = n & (n >> 1); pairs > 0; pairs &= pairs - 1) sign = -sign;
  return sign;
}

/** The forms of one weight that programs asked for. `weight` is [out, in] row by row, as Hugging Face
 *  stores it; `limit` bounds eight-bit values. */
export function storeFrozen(
  weight: Float32Array,
  outSize: number,
  wanted: readonly FrozenInput[],
  limit: number,
): Record<string, FrozenValue> {
  const sides = new Map<boolean, { values: Int8Array; scales: Float32Array }>();
  const side = (back: boolean) => {
    const made = sides.get(back) ?? eightBits(weight, outSize, back, limit);
    sides.set(back, made);
    return made;
  };
  const stored: Record<string, FrozenValue> = {};
  for (const { name, form, shape } of wanted) {
    if (stored[name] !== undefined) continue;
    if (form === 'f32') stored[name] = { data: weight, shape };
    else {
      const { values, scales } = side(form.startsWith('int8 back'));
      stored[name] = { data: form.endsWith('scale') ? scales : values, shape };
    }
  }
  return stored;
}

function eightBits(weight: Float32Array, outSize: number, back: boolean, limit: number) {
  const exact = back ? weight : weight.slice();
  if (!back) turnRows(exact, turnedWidth(weight.length / outSize));
  const scales = columnScales(exact, outSize, back, limit);
  return { values: quantised(exact, outSize, back, scales), scales };
}

/** Of the stored orientation: per row of [out, in] for the forward, per column for the backward. */
function columnScales(weight: Float32Array, outSize: number, back: boolean, limit: number) {
  const inSize = weight.length / outSize;
  const scales = new Float32Array(back ? inSize : outSize);
  for (let o = 0, at = 0; o < outSize; o++) {
    let most = 0;
    for (let i = 0; i < inSize; i++, at++) {
      const size = Math.abs(weight[at]!);
      if (size > most) most = size;
      if (back && size > scales[i]!) scales[i] = size;
    }
    if (!back) scales[o] = most;
  }
  return scales.map((size) => size / limit || 1);
}

function quantised(weight: Float32Array, outSize: number, back: boolean, scales: Float32Array) {
  const inSize = weight.length / outSize;
  const out = new Int8Array(weight.length);
  const inverse = scales.map((scale) => 1 / scale);
  if (back) {
    for (let o = 0; o < outSize; o++)
      for (let i = 0, at = o * inSize; i < inSize; i++, at++)
        out[at] = rounded(weight[at]! * inverse[i]!);
    return out;
  }
  const block = 32; // the transposed matrix is written in tiles that stay in the cache
  for (let o0 = 0; o0 < outSize; o0 += block) {
    const o1 = Math.min(outSize, o0 + block);
    for (let i0 = 0; i0 < inSize; i0 += block) {
      const i1 = Math.min(inSize, i0 + block);
      for (let o = o0; o < o1; o++) {
        const factor = inverse[o]!;
        for (let i = i0, from = o * inSize + i0, to = i0 * outSize + o; i < i1; i++) {
          out[to] = rounded(weight[from++]! * factor);
          to += outSize;
        }
      }
    }
  }
  return out;
}

// Math.round for −128…127 at several times its speed; a model has hundreds of millions of weights.
const rounded = (value: number) => ((value + 128.5) | 0) - 128;
