// Multiplication by weights that are never trained: how they are stored and which ONNX nodes apply
// them. The one place to change when a faster or more exact form is found.
import type { DType } from '../tensor/shape.ts';
import type { Emit } from './lower.ts';
import { MICROSOFT } from './onnx-encode.ts';

/** f32: exact. int8: products in eight bits, one scale per token and per output column. */
export type Precision = 'f32' | 'int8';

/** A tensor that a program needs from the frozen weight `weight`, in a form made by `storeFrozen`. */
export type FrozenInput = {
  readonly name: string;
  readonly weight: string;
  readonly form: FrozenForm;
  readonly dtype: DType;
  readonly shape: readonly number[];
};
export type FrozenForm = 'f32';
export type FrozenData = Float32Array | Int8Array | Uint8Array;

type Linear = { weight: string; inSize: number; outSize: number; backward: boolean };

export function lowerFrozenLinear(emit: Emit, x: string, op: Linear, precision: Precision): string {
  const { weight, inSize, outSize, backward } = op;
  if (precision !== 'f32') throw new Error(`frozen weights as ${precision} are not built yet`);
  const shape = [outSize, inSize];
  const w = emit.frozen({ name: `${weight}/f32`, weight, form: 'f32', dtype: 'f32', shape });
  // As an input of the session the weight is stored once for both directions: packing it anew per call
  // costs 3 % at 1700 tokens, and neither orientation is slower.
  if (backward) return emit.node('MatMul', [x, w]);
  return emit.node('FusedMatMul', [x, w], { domain: MICROSOFT, transB: 1 });
}

/** `weight` is [outSize, inSize] row by row, as Hugging Face stores it. */
export function storeFrozen(weight: Float32Array, form: FrozenForm): FrozenData {
  if (form === 'f32') return weight;
  return form satisfies never;
}
