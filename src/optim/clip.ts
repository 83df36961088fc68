// Clipping by the norm over all tensors together (PyTorch's `clip_grad_norm_`).

/** √Σg² of all tensors, each g times `scale`; summed in 64 bits. */
export function globalNorm(tensors: Iterable<Float32Array>, scale = 1): number {
  let sum = 0;
  for (const tensor of tensors)
    for (let i = 0; i < tensor.length; i++) {
      const value = tensor[i]!;
      sum += value * value;
    }
  return Math.sqrt(sum) * Math.abs(scale);
}

/** The factor on every gradient; the 1e-6 is PyTorch's. */
export const clipFactor = (norm: number, max: number) => Math.min(1, max / (norm + 1e-6));
