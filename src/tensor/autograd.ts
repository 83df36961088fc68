// Reverse-mode differentiation: gradients are ordinary nodes of the same graph, built from the rules
// below. A rule answers only for inputs that lead to something trained, so that frozen weights cost
// nothing and the backward stops below the lowest trained layer.
import { attentionGradients } from './attention.ts';
import type { Node } from './graph.ts';
import * as g from './graph.ts';
import { sameShape } from './shape.ts';

/** d(sum of seeds·results)/d(wanted); null where a wanted node has no influence. */
export function gradients(
  results: readonly { readonly value: Node; readonly seed: Node }[],
  wanted: readonly Node[],
): (Node | null)[] {
  const order = g.ordered(results.map(({ value }) => value));
  const needed = new Set<Node>(wanted);
  for (const node of order) if (node.inputs.some((source) => needed.has(source))) needed.add(node);
  const total = new Map<Node, Node>();
  const accumulate = (node: Node, part: Node) => {
    const before = total.get(node);
    total.set(node, before === undefined ? part : g.add(before, part));
  };
  for (const { value, seed } of results) if (needed.has(value)) accumulate(value, seed);
  for (const node of order.toReversed()) {
    const dy = total.get(node);
    if (dy === undefined || node.inputs.length === 0) continue;
    const parts = rule(node, dy, (i) => needed.has(node.inputs[i]!));
    for (const [i, part] of parts.entries()) {
      if (part !== null && needed.has(node.inputs[i]!)) accumulate(node.inputs[i]!, part);
    }
  }
  return wanted.map((node) => total.get(node) ?? null);
}

/** One gradient per input; null: not differentiable there or not wanted. */
function rule(y: Node, dy: Node, wants: (input: number) => boolean): (Node | null)[] {
  const { op, inputs } = y;
  const [a, b] = [inputs[0]!, inputs[1]!];
  switch (op.kind) {
    case 'matmul':
      return matmulRule(op, a, b, dy, wants);
    case 'frozenLinear':
      return [g.frozenLinear(dy, { ...op, backward: !op.backward })];
    case 'add':
      return [wants(0) ? unbroadcast(dy, a) : null, wants(1) ? unbroadcast(dy, b) : null];
    case 'sub':
      return [
        wants(0) ? unbroadcast(dy, a) : null,
        wants(1) ? unbroadcast(g.mul(dy, g.scalar(-1)), b) : null,
      ];
    case 'mul':
      return [
        wants(0) ? unbroadcast(g.mul(dy, b), a) : null,
        wants(1) ? unbroadcast(g.mul(dy, a), b) : null,
      ];
    case 'div': {
      const left = g.div(dy, b);
      const right = () => unbroadcast(g.mul(g.mul(left, y), g.scalar(-1)), b);
      return [wants(0) ? unbroadcast(left, a) : null, wants(1) ? right() : null];
    }
    case 'exp':
      return [g.mul(dy, y)];
    case 'log':
      return [g.div(dy, a)];
    case 'sigmoid':
      return [g.mul(dy, g.sub(y, g.mul(y, y)))];
    case 'silu': // σ + y·(1 − σ)
      return [g.mul(dy, g.add(y, g.mul(g.sigmoid(a), g.sub(g.scalar(1), y))))];
    case 'softmax':
      return [g.mul(y, g.sub(dy, g.sumLast(g.mul(dy, y))))];
    case 'rmsNorm':
      return [
        wants(0) ? rmsNormRule(a, b, dy, op.epsilon) : null,
        wants(1) ? rmsWeightRule(a, b, dy, op.epsilon) : null,
      ];
    case 'rope':
      return [g.rope(dy, b, inputs[2]!, inputs[3]!, !op.inverse), null, null, null];
    case 'transpose':
      return [
        g.transpose(
          dy,
          op.order.map((_, axis) => op.order.indexOf(axis)),
        ),
      ];
    case 'reshape':
      return [g.reshape(dy, a.shape)];
    case 'attention':
      return attentionGradients(y, dy, op);
    case 'input':
    case 'scalar':
    case 'sumLast':
    case 'sumRows':
    case 'maxLast':
    case 'inverseRms':
    case 'gatherRows':
    case 'pick':
      throw new Error(`${op.kind} has no gradient rule`);
    default:
      return op satisfies never;
  }
}

function matmulRule(
  op: { transA: boolean; transB: boolean; alpha: number },
  a: Node,
  b: Node,
  dy: Node,
  wants: (input: number) => boolean,
): (Node | null)[] {
  const { transA, transB, alpha } = op;
  const left = () =>
    transA
      ? g.matmul(b, dy, { transA: transB, transB: true, alpha })
      : g.matmul(dy, b, { transB: !transB, alpha });
  const right = () => {
    if (!transB) return g.matmul(a, dy, { transA: !transA, alpha });
    // Of a tall and narrow result the transpose is quicker to get: its reader of dy goes along rows.
    const [tall, narrow] = [dy.shape.at(-1), b.shape.at(-1)];
    const slim = typeof tall === 'number' && typeof narrow === 'number' && tall > 4 * narrow;
    if (slim && dy.shape.length === 2)
      return g.transpose(g.matmul(a, dy, { transA: !transA, alpha }), [1, 0]);
    return g.matmul(dy, a, { transA: true, transB: transA, alpha });
  };
  return [wants(0) ? left() : null, wants(1) ? right() : null];
}

function unbroadcast(dy: Node, to: Node): Node {
  if (sameShape(dy.shape, to.shape)) return dy;
  if (to.shape.length === dy.shape.length && to.shape.at(-1) === 1) return g.sumLast(dy);
  if (to.shape.length === 1 && to.shape[0] === dy.shape.at(-1)) return g.sumRows(dy);
  throw new Error(`no rule to sum [${dy.shape.join(', ')}] to [${to.shape.join(', ')}]`);
}

// y = x·r·w with r = (mean x² + ε)^-½, hence dx = r·u − x·r³·mean(u·x) with u = dy·w.
function rmsNormRule(x: Node, weight: Node, dy: Node, epsilon: number): Node {
  const size = x.shape.at(-1);
  if (typeof size !== 'number') throw new Error('rmsNorm over a symbolic dimension');
  const r = g.inverseRms(x, weight, epsilon);
  const u = g.mul(dy, weight);
  const mean = g.mul(g.sumLast(g.mul(u, x)), g.scalar(1 / size));
  return g.sub(g.mul(u, r), g.mul(x, g.mul(mean, g.mul(r, g.mul(r, r)))));
}
const rmsWeightRule = (x: Node, weight: Node, dy: Node, epsilon: number) =>
  g.sumRows(g.mul(dy, g.mul(x, g.inverseRms(x, weight, epsilon))));
