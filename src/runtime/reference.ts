// Runs programs by plain loops: slow, obvious, and the meaning of every op. Computes in 64 bits unless
// told otherwise, so that finite differences through it are exact enough to test gradient rules.
import { type Node, ordered, type Program } from '../tensor/graph.ts';
import { bind, elements, shapeValue } from '../tensor/shape.ts';

export type Numbers = { readonly data: ArrayLike<number>; readonly shape: readonly number[] };
type Tensor = { readonly data: Float64Array; readonly shape: readonly number[] };

/** `frozen` holds the weights that frozenLinear names, [out, in]. */
export function interpret(
  program: Program,
  inputs: Readonly<Record<string, Numbers>>,
  frozen: Readonly<Record<string, ArrayLike<number>>> = {},
): Record<string, Tensor> {
  const bindings = new Map<string, number>();
  const values = new Map<Node, Tensor>();
  for (const [name, node] of program.inputs) {
    const value = inputs[name];
    if (value === undefined) throw new Error(`input ${name} is missing`);
    bind(bindings, name, node.shape, value.shape);
    values.set(node, { data: Float64Array.from(value.data, Number), shape: value.shape });
  }
  for (const node of ordered([...program.outputs.values()], new Set(program.inputs.values()))) {
    if (values.has(node)) continue;
    const shape = shapeValue(node.shape, bindings);
    const from = node.inputs.map((source) => values.get(source)!);
    values.set(node, { data: compute(node, from, shape, frozen), shape });
  }
  return Object.fromEntries([...program.outputs].map(([name, node]) => [name, values.get(node)!]));
}

function compute(
  { op }: Node,
  inputs: readonly Tensor[],
  shape: readonly number[],
  frozen: Readonly<Record<string, ArrayLike<number>>>,
): Float64Array {
  const out = new Float64Array(elements(shape));
  const [a, b] = [inputs[0]!, inputs[1]!];
  const each = (value: (i: number) => number) => {
    for (let i = 0; i < out.length; i++) out[i] = value(i);
    return out;
  };
  const last = shape.at(-1) ?? 1;
  const width = a?.shape.at(-1) ?? 1;
  const lastRow = (i: number) => a.data.subarray(i * width, (i + 1) * width);
  switch (op.kind) {
    case 'input':
      throw new Error(`input ${op.name} is not an input of the program`);
    case 'scalar':
      return each(() => op.value);
    case 'matmul':
      return matmul(op, a, b, shape, out);
    case 'frozenLinear': {
      const weight = frozen[op.weight];
      if (weight === undefined) throw new Error(`frozen weight ${op.weight} is missing`);
      return each((i) => {
        const [row, column] = [Math.floor(i / last), i % last];
        let sum = 0;
        for (let k = 0; k < width; k++)
          sum +=
            a.data[row * width + k]! *
            weight[op.backward ? k * op.inSize + column : column * op.inSize + k]!;
        return sum;
      });
    }
    case 'add':
      return each((i) => stretched(a, shape, i) + stretched(b, shape, i));
    case 'sub':
      return each((i) => stretched(a, shape, i) - stretched(b, shape, i));
    case 'mul':
      return each((i) => stretched(a, shape, i) * stretched(b, shape, i));
    case 'div':
      return each((i) => stretched(a, shape, i) / stretched(b, shape, i));
    case 'exp':
      return each((i) => Math.exp(a.data[i]!));
    case 'log':
      return each((i) => Math.log(a.data[i]!));
    case 'sigmoid':
      return each((i) => 1 / (1 + Math.exp(-a.data[i]!)));
    case 'silu':
      return each((i) => a.data[i]! / (1 + Math.exp(-a.data[i]!)));
    case 'softmax':
      for (let row = 0; row * width < out.length; row++)
        out.set(softmax(lastRow(row)), row * width);
      return out;
    case 'sumLast':
      return each((i) => lastRow(i).reduce((x, y) => x + y, 0));
    case 'maxLast':
      return each((i) => lastRow(i).reduce((x, y) => Math.max(x, y), -Infinity));
    case 'sumRows':
      for (let i = 0; i < a.data.length; i++) out[i % last]! += a.data[i]!;
      return out;
    case 'rmsNorm':
      return each(
        (i) =>
          a.data[i]! * inverseRms(lastRow(Math.floor(i / width)), op.epsilon) * b.data[i % width]!,
      );
    case 'inverseRms':
      return each((i) => inverseRms(lastRow(i), op.epsilon));
    case 'rope':
      return rope(a, b, inputs[2]!, inputs[3]!, op.inverse, out);
    case 'gatherRows': {
      const size = elements(a.shape.slice(1));
      return each((i) => a.data[b.data[Math.floor(i / size)]! * size + (i % size)]!);
    }
    case 'pick':
      return each((i) => a.data[i * width + b.data[i]!]!);
    case 'transpose':
      return transpose(a, op.order, shape, out);
    case 'reshape':
      return a.data;
    case 'attention':
      return attention(inputs, op, out);
    default:
      return op satisfies never;
  }
}

function stretched({ data, shape }: Tensor, to: readonly number[], index: number): number {
  let at = 0;
  let stride = 1;
  let rest = index;
  for (let axis = 1; axis <= to.length; axis++) {
    const size = to[to.length - axis]!;
    const own = shape[shape.length - axis] ?? 1;
    at += (own === 1 ? 0 : rest % size) * stride;
    stride *= own;
    rest = Math.floor(rest / size);
  }
  return data[at]!;
}

function matmul(
  op: { transA: boolean; transB: boolean; alpha: number },
  a: Tensor,
  b: Tensor,
  shape: readonly number[],
  out: Float64Array,
): Float64Array {
  const [m, n] = [shape.at(-2)!, shape.at(-1)!];
  const k = a.shape.at(op.transA ? -2 : -1)!;
  for (let batch = 0; batch * m * n < out.length; batch++) {
    const [atA, atB] = [batch * m * k, batch * k * n];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++)
          sum +=
            a.data[atA + (op.transA ? p * m + i : i * k + p)]! *
            b.data[atB + (op.transB ? j * k + p : p * n + j)]!;
        out[batch * m * n + i * n + j] = op.alpha * sum;
      }
    }
  }
  return out;
}

function softmax(row: Float64Array): Float64Array {
  const most = row.reduce((x, y) => Math.max(x, y), -Infinity);
  const powers = row.map((x) => Math.exp(x - most));
  const sum = powers.reduce((x, y) => x + y, 0);
  return powers.map((x) => x / sum);
}

const inverseRms = (row: Float64Array, epsilon: number) =>
  1 / Math.sqrt(row.reduce((sum, x) => sum + x * x, 0) / row.length + epsilon);

function rope(
  x: Tensor,
  positions: Tensor,
  cos: Tensor,
  sin: Tensor,
  inverse: boolean,
  out: Float64Array,
): Float64Array {
  const half = cos.shape[1]!;
  const columns = x.shape[1]!;
  for (const [row, position] of positions.data.entries()) {
    for (let head = row * columns; head < (row + 1) * columns; head += 2 * half) {
      for (let i = 0; i < half; i++) {
        const c = cos.data[position * half + i]!;
        const s = sin.data[position * half + i]! * (inverse ? -1 : 1);
        const [first, second] = [x.data[head + i]!, x.data[head + half + i]!];
        out[head + i] = first * c - second * s;
        out[head + half + i] = second * c + first * s;
      }
    }
  }
  return out;
}

function transpose(
  x: Tensor,
  order: readonly number[],
  shape: readonly number[],
  out: Float64Array,
): Float64Array {
  const strides = x.shape.map((_, axis) => elements(x.shape.slice(axis + 1)));
  for (let i = 0; i < out.length; i++) {
    let rest = i;
    let at = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]!) * strides[order[axis]!]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    out[i] = x.data[at]!;
  }
  return out;
}

function attention(
  [q, k, v, mask]: readonly Tensor[],
  { heads, kvHeads, headDim }: { heads: number; kvHeads: number; headDim: number },
  out: Float64Array,
): Float64Array {
  const [B, Q] = [q!.shape[0]!, q!.shape[1]!];
  const K = k!.shape[1]!;
  for (let row = 0; row < B * heads * Q; row++) {
    const [t, head, b] = [row % Q, Math.floor(row / Q) % heads, Math.floor(row / Q / heads)];
    const group = heads / kvHeads;
    const shared = Math.floor(head / group);
    const atQ = ((b * Q + t) * heads + head) * headDim;
    const atK = (u: number) => ((b * K + u) * kvHeads + shared) * headDim;
    const scores = new Float64Array(K).map((_, u) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += q!.data[atQ + d]! * k!.data[atK(u) + d]!;
      return dot / Math.sqrt(headDim) + mask!.data[((head % group) * Q + t) * K + u]!;
    });
    for (const [u, p] of softmax(scores).entries())
      for (let d = 0; d < headDim; d++) out[atQ + d]! += p * v!.data[atK(u) + d]!;
  }
  return out;
}
