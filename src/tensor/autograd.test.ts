import { expect, test } from 'vitest';
import { randomStream } from '../lib/random.ts';
import { interpret, type Numbers } from '../runtime/reference.ts';
import { gradients } from './autograd.ts';
import type { Node } from './graph.ts';
import * as g from './graph.ts';

const x = g.input('x', [3, 4]);
const y = g.input('y', [3, 4]);
const column = g.input('column', [3, 1]);
const row = g.input('row', [4]);
const tables = [g.input('cos', [8, 1]), g.input('sin', [8, 1])] as const;
const z = g.input('z', [3, 5]);
const tall = g.input('tall', [40, 4]);
const heads = { heads: 4, kvHeads: 2, headDim: 2 };
const q = g.input('q', [2, 3, 8]);
const k = g.input('k', [2, 5, 4]);
const v = g.input('v', [2, 5, 4]);

const cases: Record<string, [result: Node, ...wanted: Node[]]> = {
  matmul: [g.matmul(x, g.input('w', [4, 2]), { alpha: 0.7 }), x],
  'matmul, left transposed': [g.matmul(x, y, { transA: true }), x, y],
  'matmul, right transposed': [g.matmul(x, y, { transB: true, alpha: 2 }), x, y],
  'matmul, both transposed': [g.matmul(x, g.input('u', [2, 3]), { transA: true, transB: true }), x],
  'matmul with a tall and narrow factor': [g.matmul(x, tall, { transB: true, alpha: 3 }), x, tall],
  'matmul of a product': [g.matmul(g.matmul(x, y, { transB: true }), y), x, y],
  frozenLinear: [g.frozenLinear(x, { weight: 'frozen', inSize: 4, outSize: 5 }), x],
  'frozenLinear backward': [
    g.frozenLinear(z, { weight: 'frozen', inSize: 4, outSize: 5, backward: true }),
    z,
  ],
  add: [g.add(x, g.add(column, row)), x, column, row],
  sub: [g.sub(x, g.sub(column, row)), x, column, row],
  mul: [g.mul(g.mul(x, column), row), x, column, row],
  div: [g.div(x, g.exp(column)), x, column],
  exp: [g.exp(x), x],
  log: [g.log(g.exp(x)), x],
  sigmoid: [g.sigmoid(x), x],
  silu: [g.mul(g.silu(x), y), x, y],
  softmax: [g.softmax(x), x],
  rmsNorm: [g.rmsNorm(x, row, 0.01), x, row],
  rope: [g.rope(x, g.input('positions', [3], 'i64'), ...tables), x],
  transpose: [g.transpose(g.reshape(q, [2, 3, 4, 2]), [0, 2, 3, 1]), q],
  attention: [g.attention(q, k, v, g.input('mask', [6, 5]), heads), q, k, v],
};

test.each(Object.keys(cases))('gradient of %s equals finite differences', (name) => {
  const [result, ...wanted] = cases[name]!;
  const random = randomStream(1, name);
  const seed = g.input('seed', result.shape);
  const found = gradients([{ value: result, seed }], wanted);
  const program = g.program({
    result,
    ...Object.fromEntries(found.map((node, i) => [`d${i}`, node!])),
  });
  const inputs: Record<string, Numbers> = {};
  for (const [input, node] of [...program.inputs, ['seed', seed] as const]) {
    const shape = node.shape.map(Number);
    const size = shape.reduce((a, b) => a * b, 1);
    const draw = node.dtype === 'f32' ? () => 2 * random() - 1 : () => Math.floor(random() * 8);
    inputs[input] = { data: Array.from({ length: size }, draw), shape };
  }
  const frozen = { frozen: Array.from({ length: 20 }, () => random() - 0.5) };
  const loss = () => {
    const { data } = interpret(g.program({ result }), inputs, frozen)['result']!;
    return data.reduce((sum, value, i) => sum + value * inputs['seed']!.data[i]!, 0);
  };
  const analytic = interpret(program, inputs, frozen);
  for (const [i, node] of wanted.entries()) {
    if (node.op.kind !== 'input') throw new Error('only inputs are varied');
    const values = inputs[node.op.name]!.data as number[];
    for (const [at, before] of values.entries()) {
      const step = 1e-5;
      values[at] = before + step;
      const above = loss();
      values[at] = before - step;
      const below = loss();
      values[at] = before;
      expect(analytic[`d${i}`]!.data[at]).toBeCloseTo((above - below) / (2 * step), 7);
    }
  }
});

test('nothing is computed for what no wanted tensor influences', () => {
  expect(gradients([{ value: g.exp(x), seed: y }], [row])).toEqual([null]);
});
