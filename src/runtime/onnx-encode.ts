// Writes ONNX models (github.com/onnx/onnx, onnx.proto3) without the onnx package. Weights are inputs of
// the session or, where a kernel wants to repack them, external data: the model itself stays small, so
// that protobuf's 2 GB limit never matters.
import type { DType, Shape } from '../tensor/shape.ts';
import { bytes, type Field, float, integer, message, text } from './protobuf.ts';

export type Attribute = number | string | readonly number[] | { readonly float: number };
export type OnnxNode = {
  readonly type: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
};
export type OnnxValue = {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** A list of such tensors. */
  readonly sequence?: true;
};
export type OnnxConstant = {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
};
export type OnnxGraph = {
  readonly nodes: readonly OnnxNode[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly constants: readonly OnnxConstant[];
};

export const MICROSOFT = 'com.microsoft';
const DTYPE: Record<DType, number> = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7 };

export function encode(graph: OnnxGraph): Uint8Array {
  return message(
    integer(1, 10), // ir_version
    text(2, 'tunery'),
    bytes(
      7,
      message(
        graph.nodes.map((node, i) => bytes(1, encodeNode(node, i))),
        text(2, 'program'),
        graph.constants.map((constant) => bytes(5, encodeConstant(constant))),
        graph.inputs.map((value) => bytes(11, encodeValue(value))),
        graph.outputs.map((value) => bytes(12, encodeValue(value))),
      ),
    ),
    bytes(8, message(text(1, ''), integer(2, 21))),
    bytes(8, message(text(1, MICROSOFT), integer(2, 1))),
  );
}

const encodeNode = (node: OnnxNode, index: number) =>
  message(
    node.inputs.map((name) => text(1, name)),
    node.outputs.map((name) => text(2, name)),
    text(3, `${node.type}_${index}`),
    text(4, node.type),
    Object.entries(node.attributes ?? {}).map(([name, value]) =>
      bytes(5, message(text(1, name), encodeAttribute(value))),
    ),
    text(7, node.domain ?? ''),
  );

function encodeAttribute(value: Attribute): Field {
  if (typeof value === 'number') return message(integer(3, value), integer(20, 2));
  if (typeof value === 'string') return message(text(4, value), integer(20, 3));
  if ('float' in value) return message(float(2, value.float), integer(20, 1));
  return message(
    value.map((item) => integer(8, item)),
    integer(20, 7),
  );
}

const encodeConstant = ({ name, dtype, shape, data }: OnnxConstant) =>
  message(
    shape.map((dim) => integer(1, dim)),
    integer(2, DTYPE[dtype]),
    text(8, name),
    bytes(9, data),
  );

const encodeValue = ({ name, dtype, shape, sequence }: OnnxValue) => {
  const dims = shape.map((dim) =>
    bytes(1, typeof dim === 'number' ? integer(1, dim) : text(2, dim)),
  );
  const tensor = bytes(1, message(integer(1, DTYPE[dtype]), bytes(2, message(dims))));
  return message(text(1, name), bytes(2, sequence ? bytes(4, bytes(1, tensor)) : tensor));
};
