// AdamW with decoupled weight decay (arXiv:1711.05101), in the order of operations of PyTorch's
// `torch.optim.AdamW`. Parameters and both moments are 32-bit, arithmetic in between is 64-bit.

export type AdamWOptions = {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Applies to every tensor. */
  readonly weightDecay?: number;
};

/** Everything that the next update depends on besides parameters and gradients. */
export type AdamWState = {
  /** Updates done. */
  step: number;
  readonly m: ReadonlyMap<string, Float32Array>;
  readonly v: ReadonlyMap<string, Float32Array>;
};

export function adamWState(params: ReadonlyMap<string, Float32Array>): AdamWState {
  const zeros = () =>
    new Map([...params].map(([name, { length }]) => [name, new Float32Array(length)]));
  return { step: 0, m: zeros(), v: zeros() };
}

/** Changes `params` and `state` in place. Each gradient is multiplied by `gradScale` first. */
export function adamWUpdate(
  params: ReadonlyMap<string, Float32Array>,
  grads: ReadonlyMap<string, Float32Array>,
  state: AdamWState,
  learningRate: number,
  gradScale = 1,
  { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0 }: AdamWOptions = {},
): void {
  state.step += 1;
  const keep = 1 - learningRate * weightDecay;
  const stepSize = learningRate / (1 - beta1 ** state.step);
  const rootCorrection2 = Math.sqrt(1 - beta2 ** state.step);
  for (const [name, p] of params) {
    const [g, m, v] = [grads.get(name), state.m.get(name), state.v.get(name)];
    if (!g || !m || !v || g.length !== p.length || m.length !== p.length || v.length !== p.length)
      throw new Error(`parameter '${name}' lacks a gradient or moments of its size`);
    for (let i = 0; i < p.length; i++) {
      const gradient = g[i]! * gradScale;
      const mean = beta1 * m[i]! + (1 - beta1) * gradient;
      const square = beta2 * v[i]! + (1 - beta2) * gradient * gradient;
      m[i] = mean;
      v[i] = square;
      p[i] = p[i]! * keep - (stepSize * mean) / (Math.sqrt(square) / rootCorrection2 + eps);
    }
  }
}
