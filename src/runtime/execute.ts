// Runs programs on ONNX Runtime; the only file that imports it. Results go straight into the caller's
// arrays, so that nothing is copied and nothing grows from step to step.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Program } from '../tensor/graph.ts';
import { bind, type DType, elements, shapeValue } from '../tensor/shape.ts';
import type { FrozenInput, Precision } from './frozen-linear.ts';
import { lower } from './lower.ts';
import { encode, type OnnxGraph } from './onnx-encode.ts';

export type Data = Float32Array | Int8Array | Uint8Array | Int32Array | BigInt64Array;
export type Value = { readonly data: Data; readonly shape: readonly number[] };
export type Values = Readonly<Record<string, Value>>;

export type ExecuteOptions = {
  readonly threads: number;
  readonly precision: Precision;
  /** Writes a trace of every kernel's time beside this prefix. */
  readonly profile?: string | undefined;
};

export async function compile(program: Program, options: ExecuteOptions): Promise<Executable> {
  const { graph, frozen } = lower(program, options.precision);
  const session = await InferenceSession.create(encode(withoutCopies(graph)), {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    enableMemPattern: false, // plans per shape; ours change with every batch
    logSeverityLevel: 3,
    ...(options.profile === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: options.profile }),
    // Each session has its own threads: those of one must not spin while another computes.
    extra: { session: { force_spinning_stop: '1' } },
  });
  return new Executable(program, frozen, session);
}

export class Executable {
  /** Stored forms of frozen weights that `run` expects beside the program's own inputs. */
  readonly frozen: readonly FrozenInput[];
  readonly #program: Program;
  readonly #session: InferenceSession;

  constructor(program: Program, frozen: readonly FrozenInput[], session: InferenceSession) {
    this.#program = program;
    this.frozen = frozen;
    this.#session = session;
  }

  /** `into` names arrays that receive results; a result without one gets a new array. */
  async run(
    inputs: Values,
    into: Readonly<Record<string, Data>> = {},
  ): Promise<Record<string, Value>> {
    const bindings = new Map<string, number>();
    const feeds: Record<string, Tensor> = {};
    for (const [name, node] of this.#program.inputs) {
      const value = inputs[name];
      if (value === undefined) throw new Error(`input ${name} is missing`);
      bind(bindings, name, node.shape, value.shape);
      feeds[name] = tensor(node.dtype, value, name);
    }
    for (const { name, dtype } of this.frozen) {
      const value = inputs[name];
      if (value === undefined) throw new Error(`frozen weight ${name} is missing`);
      feeds[name] = tensor(dtype, value, name);
    }
    const fetches: Record<string, Tensor | null> = { [NO_COPIES]: null };
    const results: Record<string, Value> = {};
    for (const [name, node] of this.#program.outputs) {
      const shape = shapeValue(node.shape, bindings);
      const data = into[name] ?? new Float32Array(elements(shape));
      results[name] = { data, shape };
      fetches[name] = tensor(node.dtype, results[name], name);
    }
    await this.#session.run(feeds, fetches).catch(onlyNoCopies);
    return results;
  }

  /** Elements of every result for these inputs. */
  outputSizes(inputs: Values): Map<string, number> {
    const bindings = new Map<string, number>();
    for (const [name, node] of this.#program.inputs) {
      const value = inputs[name];
      if (value === undefined) throw new Error(`input ${name} is missing`);
      bind(bindings, name, node.shape, value.shape);
    }
    const sizes = [...this.#program.outputs].map(
      ([name, { shape }]) => [name, elements(shapeValue(shape, bindings))] as const,
    );
    return new Map(sizes);
  }

  async close(): Promise<void> {
    this.#session.endProfiling();
    await this.#session.release();
  }
}

// When the binding's `run` is about to return, the results are in the caller's arrays; yet it would copy
// each of them into a fresh array, which took a fifth of all time. It gives up at the first result that
// is no tensor, so every program begins with one of these, which nobody wants.
const NO_COPIES = 'no copies';

const withoutCopies = (graph: OnnxGraph): OnnxGraph => ({
  ...graph,
  nodes: [...graph.nodes, { type: 'SequenceEmpty', inputs: [], outputs: [NO_COPIES] }],
  outputs: [{ name: NO_COPIES, dtype: 'f32', shape: [], sequence: true }, ...graph.outputs],
});

function onlyNoCopies(error: unknown): void {
  const expected = 'Non tensor type is temporarily not supported.';
  if (!(error instanceof Error && error.message === expected)) throw error;
}

const TYPE = { f32: 'float32', i8: 'int8', u8: 'uint8', i32: 'int32', i64: 'int64' } as const;

function tensor(dtype: DType, { data, shape }: Value, name: string): Tensor {
  if (data.length !== elements(shape))
    throw new RangeError(`${name} has ${data.length} elements for [${shape.join(', ')}]`);
  return new Tensor(TYPE[dtype], data as never, [...shape]);
}
