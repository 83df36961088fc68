import { expect, test } from 'vitest';
import { randomStream } from '../lib/random.ts';
import { attentionPiece, causalMask } from '../nn/attention.ts';
import { backwardProgram } from '../nn/piece.ts';
import type { Node, Program } from '../tensor/graph.ts';
import * as g from '../tensor/graph.ts';
import { shapeValue } from '../tensor/shape.ts';
import { compile, type Values } from './execute.ts';
import { storeFrozen } from './frozen-linear.ts';
import { interpret } from './reference.ts';

const x = g.input('x', ['N', 8]);
const w = g.input('w', [8]);
const tables = [g.input('cos', [4, 2]), g.input('sin', [4, 2])] as const;
const at = g.input('at', ['N'], 'i64');
const heads = { heads: 4, kvHeads: 2, headDim: 4 };

const programs: Record<string, Program> = {
  'element-wise ops': g.program({
    y: g.div(g.sub(g.add(x, w), g.mul(x, g.scalar(0.5))), g.exp(g.sigmoid(g.silu(x)))),
  }),
  'sums and maxima': g.program({
    rows: g.sumRows(x),
    last: g.sumLast(x),
    most: g.log(g.exp(g.maxLast(x))),
  }),
  norms: g.program({ y: g.rmsNorm(x, w, 1e-5), r: g.inverseRms(x, w, 1e-5), p: g.softmax(x) }),
  products: g.program({
    gram: g.matmul(x, x, { transA: true, alpha: 0.5 }),
    outer: g.matmul(x, x, { transB: true }),
    plain: g.matmul(x, g.input('u', [8, 3])),
  }),
  'rows by index': g.program({ rows: g.gatherRows(x, at), one: g.pick(x, at) }),
  'rotary embedding': g.program({
    y: g.rope(x, at, ...tables),
    back: g.rope(x, at, ...tables, true),
  }),
  attention: g.program(attentionPiece(heads).outputs),
  'attention, backward': backwardProgram(attentionPiece(heads), ['q', 'k', 'v'])!,
  'a result that is an input': g.program({ same: x, twice: x }),
};

const sizes = new Map(Object.entries({ N: 4, B: 2, Q: 3, K: 5 }));
function values(program: Program, name: string): Values {
  const random = randomStream(3, name);
  const value = (input: string, node: Node) => {
    const shape = shapeValue(node.shape, sizes);
    const length = shape.reduce((a, b) => a * b, 1);
    if (input === 'mask') return { data: causalMask(2, 3, 5), shape };
    if (node.dtype === 'i64')
      return {
        data: BigInt64Array.from({ length }, () => BigInt(Math.floor(4 * random()))),
        shape,
      };
    return { data: Float32Array.from({ length }, () => 2 * random() - 1), shape };
  };
  return Object.fromEntries([...program.inputs].map(([key, node]) => [key, value(key, node)]));
}
const asNumbers = (inputs: Values) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [
      name,
      { data: Array.from(data, Number), shape },
    ]),
  );

test.each(Object.keys(programs))('%s: ONNX Runtime agrees with the reference', async (name) => {
  const program = programs[name]!;
  const inputs = values(program, name);
  if (name === 'attention, backward') {
    // The kept result belongs to the same inputs.
    const { o } = interpret(programs['attention']!, asNumbers(inputs));
    (inputs['o']!.data as Float32Array).set(o!.data);
  }
  const executable = await compile(program, { threads: 1, precision: 'f32' });
  const found = await executable.run(inputs);
  const expected = interpret(program, asNumbers(inputs));
  for (const [key, { data, shape }] of Object.entries(expected)) {
    expect(found[key]!.shape).toEqual(shape);
    for (const [i, value] of data.entries()) expect(found[key]!.data[i]).toBeCloseTo(value, 5);
  }
  await executable.close();
});

test.each([
  ['forward', false],
  ['backward', true],
] as const)(
  'eight-bit products lose under 2 %% despite an outlier row: %s',
  async (_, backward) => {
    const [inSize, outSize, rows] = [96, 64, 5];
    const random = randomStream(5, 'int8');
    const weight = Float32Array.from({ length: inSize * outSize }, () => random() - 0.5);
    const from = backward ? outSize : inSize;
    const data = Float32Array.from({ length: rows * from }, () => random() - 0.5);
    for (let i = 0; i < from; i++) data[i]! *= 10_000; // one scale for all rows would erase the others
    const input = g.input('x', ['N', from]);
    const program = g.program({
      y: g.frozenLinear(input, { weight: 'w', inSize, outSize, backward }),
    });
    const executable = await compile(program, { threads: 1, precision: 'int8' });
    const stored = storeFrozen(weight, outSize, executable.frozen, 63);
    const { y } = await executable.run({ x: { data, shape: [rows, from] }, ...stored });
    const exact = interpret(program, { x: { data, shape: [rows, from] } }, { w: weight })['y']!;
    const width = exact.shape[1]!;
    for (let row = 0; row < rows; row++) {
      let [error, size] = [0, 0];
      for (let i = row * width; i < (row + 1) * width; i++) {
        error += (Number(y!.data[i]) - exact.data[i]!) ** 2;
        size += exact.data[i]! ** 2;
      }
      expect(Math.sqrt(error / size)).toBeLessThan(0.02);
    }
    await executable.close();
  },
);

test('a tensor of the wrong shape is named', async () => {
  const executable = await compile(g.program({ y: g.exp(x) }), { threads: 1, precision: 'f32' });
  await expect(executable.run({ x: { data: new Float32Array(6), shape: [2, 3] } })).rejects.toThrow(
    'x is [2, 3], expected [N, 8]',
  );
  await executable.close();
});
