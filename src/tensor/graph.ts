// The typed intermediate representation: an immutable graph of tensor operations. Building a node
// infers and checks its shape; nothing is computed here. Gradients are in autograd.ts, meaning of every
// op in runtime/reference.ts, its fast form in runtime/lower.ts.
import { broadcast, type Dim, type DType, type Shape, sameShape, times } from './shape.ts';

export type HeadShape = {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
};

export type Op =
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'scalar'; readonly value: number }
  /** a·b over the last two axes, either transposed, times `alpha`. Leading axes are equal. */
  | {
      readonly kind: 'matmul';
      readonly transA: boolean;
      readonly transB: boolean;
      readonly alpha: number;
    }
  /** x·W of a weight that is never trained. Weight names, not nodes: the runtime picks their storage.
   *  `backward`: x·Wᵀ, the gradient with regard to the input. */
  | {
      readonly kind: 'frozenLinear';
      readonly weight: string;
      readonly inSize: number;
      readonly outSize: number;
      readonly backward: boolean;
    }
  | { readonly kind: 'add' | 'sub' | 'mul' | 'div' }
  | { readonly kind: 'exp' | 'log' | 'sigmoid' | 'silu' | 'softmax' }
  /** Over the last axis, which stays with size 1. */
  | { readonly kind: 'sumLast' | 'maxLast' }
  /** Over all axes but the last: gradients of what was broadcast. */
  | { readonly kind: 'sumRows' }
  | { readonly kind: 'rmsNorm' | 'inverseRms'; readonly epsilon: number }
  /** Rotary embedding of [N, heads·headDim] by half-split pairs; `inverse` turns back. */
  | { readonly kind: 'rope'; readonly inverse: boolean }
  /** table[indices]: rows along the first axis. */
  | { readonly kind: 'gatherRows' }
  /** x[i, indices[i]] of a matrix, as [N, 1]. */
  | { readonly kind: 'pick' }
  | { readonly kind: 'transpose'; readonly order: readonly number[] }
  | { readonly kind: 'reshape' }
  | ({ readonly kind: 'attention' } & HeadShape);

export type Node = {
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Node[];
  readonly shape: Shape;
  readonly dtype: DType;
};

let nextId = 0;
const node = (op: Op, inputs: readonly Node[], shape: Shape, dtype: DType = 'f32'): Node => ({
  id: nextId++,
  op,
  inputs,
  shape,
  dtype,
});

export const input = (name: string, shape: Shape, dtype: DType = 'f32') =>
  node({ kind: 'input', name }, [], shape, dtype);
export const scalar = (value: number) => node({ kind: 'scalar', value }, [], []);

type MatmulOptions = { transA?: boolean; transB?: boolean; alpha?: number };
export function matmul(
  a: Node,
  b: Node,
  { transA = false, transB = false, alpha = 1 }: MatmulOptions = {},
): Node {
  const rank = a.shape.length;
  const [m, k] = lastTwo(a.shape, transA);
  const [k2, n] = lastTwo(b.shape, transB);
  const batch = a.shape.slice(0, -2);
  if (rank < 2 || k !== k2 || !sameShape(batch, b.shape.slice(0, -2)))
    throw new RangeError(`matmul of [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`);
  return node({ kind: 'matmul', transA, transB, alpha }, [a, b], [...batch, m, n]);
}
function lastTwo(shape: Shape, swap: boolean): [Dim, Dim] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return swap ? [columns, rows] : [rows, columns];
}

type Frozen = { weight: string; inSize: number; outSize: number; backward?: boolean };
export function frozenLinear(x: Node, { weight, inSize, outSize, backward = false }: Frozen): Node {
  const [from, to] = backward ? [outSize, inSize] : [inSize, outSize];
  if (x.shape.length !== 2 || x.shape[1] !== from)
    throw new RangeError(`${weight} expects ${from} columns, got [${x.shape.join(', ')}]`);
  const op = { kind: 'frozenLinear', weight, inSize, outSize, backward } as const;
  return node(op, [x], [x.shape[0]!, to]);
}

const binary = (kind: 'add' | 'sub' | 'mul' | 'div') => (a: Node, b: Node) =>
  node({ kind }, [a, b], broadcast(a.shape, b.shape));
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');

const unary = (kind: 'exp' | 'log' | 'sigmoid' | 'silu' | 'softmax') => (x: Node) =>
  node({ kind }, [x], x.shape);
export const exp = unary('exp');
export const log = unary('log');
export const sigmoid = unary('sigmoid');
export const silu = unary('silu');
export const softmax = unary('softmax');

const reduceLast = (kind: 'sumLast' | 'maxLast') => (x: Node) =>
  node({ kind }, [x], [...x.shape.slice(0, -1), 1]);
export const sumLast = reduceLast('sumLast');
export const maxLast = reduceLast('maxLast');
export const sumRows = (x: Node) => node({ kind: 'sumRows' }, [x], [x.shape.at(-1)!]);

export function rmsNorm(x: Node, weight: Node, epsilon: number): Node {
  if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1))
    throw new RangeError(`rmsNorm of [${x.shape.join(', ')}] by [${weight.shape.join(', ')}]`);
  return node({ kind: 'rmsNorm', epsilon }, [x, weight], x.shape);
}
/** 1/√(mean x² + ε), a by-product of rmsNorm with that weight. */
export const inverseRms = (x: Node, weight: Node, epsilon: number) =>
  node({ kind: 'inverseRms', epsilon }, [x, weight], [...x.shape.slice(0, -1), 1]);

/** `cos` and `sin` are [positions, headDim/2]. */
export function rope(x: Node, positions: Node, cos: Node, sin: Node, inverse = false): Node {
  const [columns, half] = [x.shape[1], cos.shape[1]];
  if (typeof columns !== 'number' || typeof half !== 'number' || columns % (2 * half) !== 0)
    throw new RangeError(`rope of [${x.shape.join(', ')}] with tables [${cos.shape.join(', ')}]`);
  return node({ kind: 'rope', inverse }, [x, positions, cos, sin], x.shape);
}

export const gatherRows = (table: Node, indices: Node) =>
  node(
    { kind: 'gatherRows' },
    [table, indices],
    [...indices.shape, ...table.shape.slice(1)],
    table.dtype,
  );
export const pick = (x: Node, indices: Node) =>
  node({ kind: 'pick' }, [x, indices], [x.shape[0]!, 1]);
export const transpose = (x: Node, order: readonly number[]) =>
  node(
    { kind: 'transpose', order },
    [x],
    order.map((axis) => x.shape[axis]!),
    x.dtype,
  );

export function reshape(x: Node, shape: Shape): Node {
  if (times(...x.shape) !== times(...shape))
    throw new RangeError(`[${x.shape.join(', ')}] does not reshape to [${shape.join(', ')}]`);
  return node({ kind: 'reshape' }, [x], shape, x.dtype);
}

/** softmax(q·kᵀ/√headDim + mask)·v by heads; q [B, Q, heads·D], k and v [B, K, kvHeads·D], mask
 *  [heads/kvHeads·Q, K]. Query heads that share a key head lie side by side. */
export function attention(q: Node, k: Node, v: Node, mask: Node, heads: HeadShape): Node {
  const [Q, K] = [q.shape[1]!, k.shape[1]!];
  const group = heads.heads / heads.kvHeads;
  if (!sameShape(mask.shape, [times(group, Q), K]) || !sameShape(k.shape, v.shape))
    throw new RangeError(`attention mask [${mask.shape.join(', ')}] for [${q.shape.join(', ')}]`);
  return node({ kind: 'attention', ...heads }, [q, k, v, mask], q.shape);
}

/** Named results of a graph. `inputs` are boundary nodes: whatever lies behind them is not computed
 *  here but handed in under that name. What the results need and no boundary gives is computed. */
export type Program = {
  readonly inputs: ReadonlyMap<string, Node>;
  readonly outputs: ReadonlyMap<string, Node>;
};

export function program(
  outputs: Readonly<Record<string, Node>>,
  saved: Readonly<Record<string, Node>> = {},
): Program {
  const inputs = new Map(Object.entries(saved));
  const boundary = new Set(Object.values(saved));
  for (const found of ordered(Object.values(outputs), boundary)) {
    if (found.op.kind === 'input') inputs.set(found.op.name, found);
  }
  // A saved value that nothing needs would only cost a transfer.
  const used = new Set(ordered(Object.values(outputs), boundary));
  for (const [name, value] of inputs) if (!used.has(value)) inputs.delete(name);
  return { inputs, outputs: new Map(Object.entries(outputs)) };
}

/** Every node the results need, inputs before users. Stops at `boundary`. */
export function ordered(results: readonly Node[], boundary: ReadonlySet<Node> = new Set()): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const visit = (current: Node) => {
    if (seen.has(current)) return;
    seen.add(current);
    if (!boundary.has(current)) for (const source of current.inputs) visit(source);
    order.push(current);
  };
  for (const result of results) visit(result);
  return order;
}
