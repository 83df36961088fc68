import { expect, test } from 'vitest';
import { adamWState, adamWUpdate } from './adamw.ts';
import { clipFactor, globalNorm } from './clip.ts';

test('three updates follow the formulas of the paper', () => {
  // Written out for a single number: Algorithm 2 of arXiv:1711.05101, bias correction included.
  const [lr, wd, b1, b2, eps] = [0.1, 0.02, 0.9, 0.999, 1e-8];
  let [p, m, v] = [1, 0, 0];
  const params = new Map([['w', new Float32Array([1])]]);
  const state = adamWState(params);
  for (const [i, g] of [0.5, -2, 0.25].entries()) {
    const t = i + 1;
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    p -= lr * wd * p + (lr * (m / (1 - b1 ** t))) / (Math.sqrt(v / (1 - b2 ** t)) + eps);
    adamWUpdate(params, new Map([['w', new Float32Array([g])]]), state, lr, 1, { weightDecay: wd });
    expect(params.get('w')![0]).toBeCloseTo(p, 6);
  }
  expect(state.step).toBe(3);
});

test('a gradient of 0 changes nothing but the decay', () => {
  const params = new Map([['w', new Float32Array([4, -4])]]);
  const grads = new Map([['w', new Float32Array(2)]]);
  adamWUpdate(params, grads, adamWState(params), 0.5, 1, { weightDecay: 0.5 });
  expect([...params.get('w')!]).toEqual([3, -3]);
});

test('a gradient of another size is a broken invariant', () => {
  const params = new Map([['w', new Float32Array(2)]]);
  const grads = new Map([['w', new Float32Array(3)]]);
  expect(() => adamWUpdate(params, grads, adamWState(params), 0.1)).toThrow("'w'");
});

test('the norm goes over all tensors, and clipping only ever shortens', () => {
  const tensors = [new Float32Array([3, 0]), new Float32Array([0, 4])];
  expect(globalNorm(tensors)).toBe(5);
  expect(globalNorm(tensors, 0.1)).toBeCloseTo(0.5, 12);
  expect(clipFactor(5, 1)).toBeCloseTo(1 / (5 + 1e-6), 12);
  expect(clipFactor(0.5, 1)).toBe(1);
});
