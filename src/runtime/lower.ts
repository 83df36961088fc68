// Lowers a program to ONNX: every op of the IR becomes the nodes that ONNX Runtime runs fastest.
import { expandAttention } from '../tensor/attention.ts';
import { type Node, ordered, type Program } from '../tensor/graph.ts';
import type { Dim, DType, Shape } from '../tensor/shape.ts';
import { type FrozenInput, lowerFrozenLinear, type Precision } from './frozen-linear.ts';
import {
  type Attribute,
  MICROSOFT,
  type OnnxConstant,
  type OnnxGraph,
  type OnnxNode,
} from './onnx-encode.ts';

export type Lowered = { readonly graph: OnnxGraph; readonly frozen: readonly FrozenInput[] };

/** What a lowering may do: add a node, a constant, or ask for a stored form of a frozen weight. */
export type Emit = {
  node(type: string, inputs: readonly string[], options?: EmitOptions): string;
  nodes(type: string, inputs: readonly string[], outputs: number, options?: EmitOptions): string[];
  floats(values: readonly number[], shape?: readonly number[]): string;
  integers(values: readonly number[]): string;
  frozen(input: FrozenInput): string;
  /** The same result for the same key: what several products of one input share. */
  once<T>(key: string, make: () => T): T;
};
type EmitOptions = { readonly domain?: string; readonly [name: string]: Attribute | undefined };

export function lower({ inputs, outputs }: Program, precision: Precision): Lowered {
  const names = new Map<Node, string>();
  for (const [name, value] of inputs) names.set(value, name);
  const nodes: OnnxNode[] = [];
  const constants = new Map<string, OnnxConstant>();
  const frozen = new Map<string, FrozenInput>();
  const constant = (dtype: DType, shape: readonly number[], data: Uint8Array) => {
    const name = `constant/${dtype}/${shape.join('x')}/${Buffer.from(data).toString('hex')}`;
    constants.set(name, { name, dtype, shape, data });
    return name;
  };
  const made = new Map<string, unknown>();
  let count = 0;
  const emit: Emit = {
    node: (type, from, options) => emit.nodes(type, from, 1, options)[0]!,
    nodes(type, from, results, { domain = '', ...attributes } = {}) {
      const fresh = Array.from({ length: results }, () => `%${count++}`);
      const present = Object.entries(attributes).filter(([, value]) => value !== undefined);
      nodes.push({
        type,
        domain,
        inputs: from,
        outputs: fresh,
        attributes: Object.fromEntries(present) as Record<string, Attribute>,
      });
      return fresh;
    },
    floats: (values, shape = []) =>
      constant('f32', shape, new Uint8Array(Float32Array.from(values).buffer)),
    integers: (values) =>
      constant('i64', [values.length], new Uint8Array(BigInt64Array.from(values, BigInt).buffer)),
    once<T>(key: string, make: () => T): T {
      if (!made.has(key)) made.set(key, make());
      return made.get(key) as T;
    },
    frozen(asked) {
      frozen.set(asked.name, asked);
      return asked.name;
    },
  };
  const lowerAll = (results: readonly Node[]) => {
    for (const node of ordered(results, new Set(names.keys()))) {
      if (names.has(node)) continue;
      if (node.op.kind === 'attention') {
        const expanded = expandAttention(node, node.op);
        lowerAll([expanded]);
        names.set(node, names.get(expanded)!);
      } else {
        const from = node.inputs.map((source) => names.get(source)!);
        names.set(node, lowerNode(emit, node, from, precision));
      }
    }
  };
  lowerAll([...outputs.values()]);
  const results = [...outputs].map(([name, value]) => ({
    name,
    dtype: value.dtype,
    shape: value.shape,
  }));
  const values = [...inputs].map(([name, value]) => ({
    name,
    dtype: value.dtype,
    shape: value.shape,
  }));
  return {
    graph: {
      nodes: named(nodes, outputs, names),
      inputs: [...values, ...frozen.values()],
      outputs: results,
      constants: [...constants.values()],
    },
    frozen: [...frozen.values()],
  };
}

/** Gives results the names that the caller wants, without a copy where the node is computed here. */
function named(
  nodes: readonly OnnxNode[],
  outputs: ReadonlyMap<string, Node>,
  names: ReadonlyMap<Node, string>,
): OnnxNode[] {
  const renamed = new Map<string, string>();
  const copies: OnnxNode[] = [];
  for (const [name, value] of outputs) {
    const made = names.get(value)!;
    if (made.startsWith('%') && !renamed.has(made)) renamed.set(made, name);
    else copies.push({ type: 'Identity', inputs: [renamed.get(made) ?? made], outputs: [name] });
  }
  const rename = (name: string) => renamed.get(name) ?? name;
  const all = nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(rename),
    outputs: node.outputs.map(rename),
  }));
  return [...all, ...copies];
}

function lowerNode(
  emit: Emit,
  { op, inputs, shape }: Node,
  from: readonly string[],
  precision: Precision,
): string {
  const [a, b] = [from[0]!, from[1]!];
  switch (op.kind) {
    case 'input':
      throw new Error(`input ${op.name} is not an input of the program`);
    case 'scalar':
      return emit.floats([op.value]);
    case 'matmul':
      return fusedMatMul(emit, a, b, op);
    case 'frozenLinear':
      return lowerFrozenLinear(emit, a, op, precision);
    case 'add':
      return emit.node('Add', from);
    case 'sub':
      return emit.node('Sub', from);
    case 'mul':
      return emit.node('Mul', from);
    case 'div':
      return emit.node('Div', from);
    case 'exp':
      return emit.node('Exp', from);
    case 'log':
      return emit.node('Log', from);
    case 'sigmoid':
      return emit.node('Sigmoid', from);
    case 'silu': // x·σ(αx) with α = 1, in one pass
      return emit.node('QuickGelu', from, { domain: MICROSOFT, alpha: { float: 1 } });
    case 'softmax':
      return emit.node('Softmax', from, { axis: -1 });
    case 'sumLast':
      return emit.node('ReduceSum', [a, emit.integers([-1])], { keepdims: 1 });
    case 'maxLast':
      return emit.node('ReduceMax', [a, emit.integers([-1])], { keepdims: 1 });
    case 'sumRows': {
      const axes = emit.integers(inputs[0]!.shape.slice(0, -1).map((_, axis) => axis));
      return emit.node('ReduceSum', [a, axes], { keepdims: 0 });
    }
    case 'rmsNorm':
      return rmsNorm(emit, from, op.epsilon)[0]!;
    case 'inverseRms':
      return rmsNorm(emit, from, op.epsilon)[1]!;
    case 'rope': {
      const [positions, cos, sin] = [b, from[2]!, from[3]!];
      const columns = Number(shape[1]);
      const turn = op.inverse ? emit.node('Neg', [sin]) : sin;
      const batch = emit.node('Reshape', [a, emit.integers([1, -1, columns])]);
      const row = emit.node('Reshape', [positions, emit.integers([1, -1])]);
      const turned = emit.node('RotaryEmbedding', [batch, row, cos, turn], {
        domain: MICROSOFT,
        interleaved: 0,
      });
      return emit.node('Reshape', [turned, emit.integers([-1, columns])]);
    }
    case 'gatherRows':
      return emit.node('Gather', from, { axis: 0 });
    case 'pick': {
      const column = emit.node('Reshape', [b, emit.integers([-1, 1])]);
      return emit.node('GatherElements', [a, column], { axis: 1 });
    }
    case 'transpose':
      return emit.node('Transpose', from, { perm: op.order });
    case 'reshape':
      return emit.node('Reshape', [a, emit.integers(reshapeTarget(inputs[0]!.shape, shape))]);
    case 'attention':
      throw new Error('attention is expanded before');
    default:
      return op satisfies never;
  }
}

const rmsNorm = (emit: Emit, from: readonly string[], epsilon: number) =>
  emit.once(`rmsNorm ${from.join()} ${epsilon}`, () =>
    emit.nodes('SimplifiedLayerNormalization', from, 2, { axis: -1, epsilon: { float: epsilon } }),
  );

type MatMul = { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };
function fusedMatMul(emit: Emit, a: string, b: string, { transA, transB, alpha }: MatMul): string {
  if (!transA && !transB && alpha === 1) return emit.node('MatMul', [a, b]);
  return emit.node('FusedMatMul', [a, b], {
    domain: MICROSOFT,
    transA: Number(transA),
    transB: Number(transB),
    alpha: { float: alpha },
  });
}

/** ONNX reshapes by numbers: 0 copies the input's dimension at that place, one -1 is worked out. */
function reshapeTarget(from: Shape, to: Shape): number[] {
  const target = to.map((dim: Dim, i) => {
    if (typeof dim === 'number') return dim;
    return from[i] === dim ? 0 : -1;
  });
  if (target.filter((dim) => dim === -1).length > 1)
    throw new Error(`[${from.join(', ')}] to [${to.join(', ')}] has two unknown dimensions`);
  return target;
}
