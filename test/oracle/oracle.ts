// Where the reference values and the models they were computed with are found, and how they are read.
// TUNERY_ORACLE names a folder of the form that test/fixtures/oracle/README.md describes; without it
// the subset in test/fixtures/oracle is used. Models: TUNERY_MODELS, the folder `models` beside the
// oracle folder, the models that ship with the repository, and ../shared/models of a development tree.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { expect } from 'vitest';
import type { Row } from '../../src/data/row.ts';
import { loadTrainableModel, type TrainableModel } from '../../src/train/model.ts';
import type { Adapter } from '../../src/weights/adapter.ts';
import { type ModelFile, openModel } from '../../src/weights/model-file.ts';
import { openSafetensors } from '../../src/weights/safetensors.ts';

const repository = resolve(import.meta.dirname, '../..');
const named = process.env['TUNERY_ORACLE'];
export const oracleFolder = named ? resolve(named) : join(repository, 'test/fixtures/oracle');

const modelRoots = [
  ...(process.env['TUNERY_MODELS'] ?? '').split(delimiter).filter((path) => path !== ''),
  join(oracleFolder, '../models'),
  join(repository, 'assets/models'),
  resolve(repository, '../shared/models'),
];

export const oraclePath = (name: string) => join(oracleFolder, name);
export const has = (name: string) => existsSync(oraclePath(name));
export const listed = (pattern: RegExp) =>
  readdirSync(oracleFolder)
    .filter((name) => pattern.test(name))
    .sort();
export function readOracle<T>(name: string): T {
  return JSON.parse(readFileSync(oraclePath(name), 'utf8'));
}

/** Null where no folder holds it. The files say `smollm2` as well as `smollm2-135m-instruct`. */
export function modelPath(model: string): string | null {
  for (const root of modelRoots.filter((path) => existsSync(path)))
    for (const entry of readdirSync(root).sort()) {
      if (!entry.toLowerCase().startsWith(model.toLowerCase())) continue;
      const path = join(root, entry);
      if (entry.endsWith('.gguf')) return path;
      if (!statSync(path).isDirectory()) continue;
      if (existsSync(join(path, 'config.json'))) return path;
      const gguf = readdirSync(path).find((name) => name.endsWith('.gguf'));
      if (gguf !== undefined) return join(path, gguf);
    }
  return null;
}

/** Part of a test's name, so that what was left out is seen in the report. */
export const lacking = (model: string) =>
  modelPath(model) === null ? ` (left out: no model '${model}'; set TUNERY_MODELS)` : '';

export async function withModelFile<T>(model: string, use: (file: ModelFile) => Promise<T>) {
  const file = await openModel(modelPath(model)!);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** In 32-bit floats. Without an adapter: a fresh one, which changes nothing. */
export async function withTrainable<T>(
  file: Pick<ModelFile, 'config' | 'tensor'>,
  adapter: Adapter | null,
  use: (model: TrainableModel) => Promise<T>,
) {
  const fresh = { rank: 1, alpha: 1, targets: ['q_proj'], rankStabilized: false };
  const { tensors, ...shape } = adapter ?? { ...fresh, tensors: null };
  const { rank, alpha, targets, rankStabilized } = shape;
  const model = await loadTrainableModel(file, {
    ...{ rank, alpha, targets, rankStabilized },
    precision: 'f32',
    threads: 2,
    seed: 0,
    ...(tensors && { start: { tensors } }),
  });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

export type LoraSettings = { r: number; alpha: number; targets: string[] };

/** Tensors of a plain safetensors file under the settings that the case names. */
export async function readAdapter(name: string, lora: LoraSettings): Promise<Adapter> {
  return {
    rank: lora.r,
    alpha: lora.alpha,
    targets: lora.targets,
    rankStabilized: false,
    tensors: await readTensors(name),
  };
}

export async function readTensors(name: string) {
  const file = await openSafetensors(oraclePath(name));
  try {
    const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    for (const [key, { shape }] of file.entries)
      tensors.set(key, { shape, data: await file.tensor(key) });
    return tensors;
  } finally {
    await file.close();
  }
}

export type JsonRow = { ids: number[]; weights: number[] };
export const rowOf = ({ ids, weights }: JsonRow): Row => ({
  ids: Int32Array.from(ids),
  weights: Float32Array.from(weights),
});
/** Every token but the first carries loss. */
export const rowOfIds = (ids: readonly number[]): Row => ({
  ids: Int32Array.from(ids),
  weights: new Float32Array(ids.length).fill(1),
});

export function expectRelative(got: number, expected: number, r: number, what: string): void {
  const limit = r * Math.abs(expected) + Number.MIN_VALUE;
  expect(Math.abs(got - expected), `${what}: ${got}, expected ${expected}`).toBeLessThanOrEqual(
    limit,
  );
}

export function largestDifference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(got[i]! - expected[i]!);
    if (!(difference <= largest)) largest = difference; // NaN must not slip through
  }
  return largest;
}

export type TensorSums = { sum: number; abs_sum: number; first: number[] };
export function sumsOf(values: Float32Array): TensorSums {
  let [sum, abs] = [0, 0];
  for (const value of values) {
    sum += value;
    abs += Math.abs(value);
  }
  return { sum, abs_sum: abs, first: [...values.subarray(0, 4)] };
}
