import { expect, test } from 'vitest';
import { Linears } from '../nn/lora.ts';
import { backwardProgram, forwardProgram } from '../nn/piece.ts';
import { input } from './graph.ts';
import { print } from './print.ts';

const linears = new Linears({ rank: 2, scale: 4, targets: new Set(['q_proj']) });
const x = input('x', ['N', 8]);
const y = linears.apply('q_proj', x, 8, 6);
const piece = {
  inputs: { x },
  outputs: { y },
  kept: linears.kept,
  parameters: linears.parameters,
};

test('the forward of an adapted layer keeps the narrow product', () => {
  expect(print(forwardProgram(piece, true))).toMatchInlineSnapshot(`
    "x: f32[N, 8]
    q_proj.A: f32[2, 8]
    q_proj.B: f32[6, 2]
    %3 = frozenLinear(x) {weight=q_proj inSize=8 outSize=6}: f32[N, 6]
    %4 = matmul(x, q_proj.A) {transB=true}: f32[N, 2]
    %5 = matmul(%4, q_proj.B) {transB=true alpha=4}: f32[N, 6]
    %6 = add(%3, %5): f32[N, 6]
    return y=%6, q_proj.low=%4"
  `);
});

test('the backward has no gradient of the frozen weight and computes nothing twice', () => {
  expect(print(backwardProgram(piece, ['x'])!)).toMatchInlineSnapshot(`
    "q_proj.low: f32[N, 2]
    x: f32[N, 8]
    seed.y: f32[N, 6]
    q_proj.B: f32[6, 2]
    q_proj.A: f32[2, 8]
    %5 = matmul(seed.y, q_proj.B) {alpha=4}: f32[N, 2]
    %6 = matmul(%5, x) {transA=true}: f32[2, 8]
    %7 = matmul(seed.y, q_proj.low) {transA=true alpha=4}: f32[6, 2]
    %8 = matmul(%5, q_proj.A): f32[N, 8]
    %9 = frozenLinear(seed.y) {weight=q_proj inSize=8 outSize=6 backward=true}: f32[N, 8]
    %10 = add(%8, %9): f32[N, 8]
    return d.q_proj.A=%6, d.q_proj.B=%7, d.x=%10"
  `);
});

test('the lowest layer computes no gradient of its input', () => {
  expect(print(backwardProgram(piece, [])!)).toMatchInlineSnapshot(`
    "q_proj.low: f32[N, 2]
    x: f32[N, 8]
    seed.y: f32[N, 6]
    q_proj.B: f32[6, 2]
    %4 = matmul(seed.y, q_proj.B) {alpha=4}: f32[N, 2]
    %5 = matmul(%4, x) {transA=true}: f32[2, 8]
    %6 = matmul(seed.y, q_proj.low) {transA=true alpha=4}: f32[6, 2]
    return d.q_proj.A=%5, d.q_proj.B=%6"
  `);
});
