// A linear layer with a frozen weight, and low-rank adaptation of it (arXiv:2106.09685 §4.1):
//
//   x [N, in] ──┬── W (frozen) ───────────────────────────┬─ + ── y [N, out]
//               └── Aᵀ [in, r] ── [N, r] ── Bᵀ [r, out]·s ─┘
import { add, frozenLinear, input, matmul, type Node } from '../tensor/graph.ts';

export type LoraPlan = {
  readonly rank: number;
  readonly scale: number;
  readonly targets: ReadonlySet<string>;
};

/** Collects what linear layers of a piece bring along: trained tensors and values to keep. */
export class Linears {
  readonly parameters: Record<string, Node> = {};
  readonly kept: Record<string, Node> = {};
  readonly #plan: LoraPlan;
  constructor(plan: LoraPlan) {
    this.#plan = plan;
  }

  apply(name: string, x: Node, inSize: number, outSize: number): Node {
    const y = frozenLinear(x, { weight: name, inSize, outSize });
    const { rank, scale, targets } = this.#plan;
    if (!targets.has(name)) return y;
    const a = input(`${name}.A`, [rank, inSize]);
    const b = input(`${name}.B`, [outSize, rank]);
    const low = matmul(x, a, { transB: true });
    this.parameters[`${name}.A`] = a;
    this.parameters[`${name}.B`] = b;
    this.kept[`${name}.low`] = low; // r numbers per token save a pass over x
    return add(y, matmul(low, b, { transB: true, alpha: scale }));
  }
}
