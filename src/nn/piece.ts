// A piece of a model: a differentiable stretch between two boundaries that the runtime sees. Between
// pieces only named tensors travel; what the backward of a piece needs is either an input of it, a
// result that the forward keeps (`kept`), or computed again from these.
import { gradients } from '../tensor/autograd.ts';
import { input, type Node, type Program, program } from '../tensor/graph.ts';

export type Nodes = Readonly<Record<string, Node>>;
export type Piece = {
  /** Inputs through which gradients flow to earlier pieces. */
  readonly inputs: Nodes;
  readonly outputs: Nodes;
  /** Intermediate values worth keeping for the backward. */
  readonly kept: Nodes;
  /** Trained tensors. */
  readonly parameters: Nodes;
};

export function forwardProgram(piece: Piece, keep: boolean): Program {
  const results = { ...piece.outputs, ...(keep ? piece.kept : {}) };
  // What only passes through is there already.
  for (const name of Object.keys(piece.inputs)) delete results[name];
  return program(results);
}

/** Takes `seed.<output>`, the gradient with regard to that result; gives `d.<input>` for the inputs in `wanted` and `d.<parameter>`. Null where
 *  nothing is asked for. */
export function backwardProgram(piece: Piece, wanted: readonly string[]): Program | null {
  const targets: Record<string, Node> = { ...piece.parameters };
  for (const name of wanted) targets[name] = piece.inputs[name]!;
  const seeds = Object.entries(piece.outputs).map(([name, value]) => ({
    value,
    seed: input(`seed.${name}`, value.shape),
  }));
  const names = Object.keys(targets);
  if (names.length === 0) return null;
  const found = gradients(seeds, Object.values(targets));
  const results: Record<string, Node> = {};
  for (const [i, name] of names.entries()) {
    if (found[i]) results[`d.${name}`] = found[i];
  }
  return program(results, { ...piece.kept, ...piece.outputs, ...piece.inputs });
}
