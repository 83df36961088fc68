// Architectures by the name in GGUF's general.architecture. A new family is a file beside this one and
// a line below.
import type { LoraPlan } from '../nn/lora.ts';
import type { Piece } from '../nn/piece.ts';
import type { ModelConfig } from '../weights/config.ts';
import { llama } from './llama.ts';

export type Family = {
  /** Linear layers of a block with their [out, in]. */
  readonly linears: (config: ModelConfig) => ReadonlyMap<string, readonly [number, number]>;
  /** Norm weights of a block. */
  readonly vectors: readonly string[];
  /** Hugging Face module of a layer's part, such as `model.layers.0.mlp.up_proj`. */
  readonly module: (layer: number, name: string) => string;
  readonly block: (config: ModelConfig, plan: LoraPlan) => Block;
};

/** A decoder block in three pieces: linear layers see a flat list of tokens, attention sees rows. */
export type Block = {
  readonly before: Piece;
  readonly attention: Piece;
  readonly after: Piece;
};

const FAMILIES: Readonly<Record<ModelConfig['architecture'], Family>> = { llama };

export const familyOf = ({ architecture }: ModelConfig): Family => FAMILIES[architecture];
