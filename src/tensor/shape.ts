// Shapes with symbolic dimensions. A dimension is a number, a symbol (`N`), or a product of both
// written with `*` (`3*T`): row lengths differ per batch, the program does not.
export type DType = 'f32' | 'i8' | 'u8' | 'i32' | 'i64';
export type Dim = number | string;
export type Shape = readonly Dim[];
export type Bindings = ReadonlyMap<string, number>;

/** Numbers first, symbols sorted, so that equal products are equal strings. */
export function times(...dims: readonly Dim[]): Dim {
  let factor = 1;
  const symbols: string[] = [];
  for (const dim of dims) {
    for (const part of String(dim).split('*')) {
      if (/^\d+$/.test(part)) factor *= Number(part);
      else symbols.push(part);
    }
  }
  if (symbols.length === 0) return factor;
  symbols.sort();
  return (factor === 1 ? symbols : [factor, ...symbols]).join('*');
}

export function dimValue(dim: Dim, bindings: Bindings): number {
  if (typeof dim === 'number') return dim;
  let value = 1;
  for (const part of dim.split('*')) {
    const bound = /^\d+$/.test(part) ? Number(part) : bindings.get(part);
    if (bound === undefined) throw new Error(`dimension ${part} of ${dim} is not bound`);
    value *= bound;
  }
  return value;
}

export const shapeValue = (shape: Shape, bindings: Bindings) =>
  shape.map((dim) => dimValue(dim, bindings));
export const elements = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
export const sameShape = (a: Shape, b: Shape) =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** Learns the symbols of `shape` from actual sizes; throws where they contradict. */
export function bind(
  bindings: Map<string, number>,
  name: string,
  shape: Shape,
  actual: readonly number[],
) {
  const wrong = () =>
    new RangeError(`${name} is [${actual.join(', ')}], expected [${shape.join(', ')}]`);
  if (actual.length !== shape.length) throw wrong();
  for (const [i, dim] of shape.entries()) {
    const size = actual[i]!;
    if (typeof dim === 'string' && !dim.includes('*') && !bindings.has(dim))
      bindings.set(dim, size);
    else if (dimValue(dim, bindings) !== size) throw wrong();
  }
}

/** NumPy's rule: align at the right; 1 stretches. */
export function broadcast(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[a.length - rank + i] ?? 1;
    const right = b[b.length - rank + i] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new RangeError(`[${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
  });
}
