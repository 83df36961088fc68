// POST /v1/completions
import { z } from 'zod';
import { accepted, notSupported, samplingShape } from './sampling.ts';

const Tokens = z.array(z.int().min(0)).min(1);

export const CreateCompletion = z.looseObject({
  ...samplingShape,
  ...notSupported,
  ...accepted('user'), // no answer could show it
  // The original's default is its token that begins a text; so is an empty prompt.
  prompt: z.union([z.string(), Tokens, z.array(z.union([z.string(), Tokens])).min(1)]).default(''),
  max_tokens: z.int().min(0).default(16),
  best_of: z.int().min(1).max(20).optional(),
  logprobs: z.int().min(0).max(5).optional(),
  echo: z.boolean().default(false),
});
export type CreateCompletion = z.infer<typeof CreateCompletion>;

export type OnePrompt =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: number[] };

export function promptsOf(prompt: CreateCompletion['prompt']): OnePrompt[] {
  if (typeof prompt === 'string') return [{ kind: 'text', text: prompt }];
  if (typeof prompt[0] === 'number') return [{ kind: 'tokens', tokens: prompt as number[] }];
  return (prompt as (string | number[])[]).map((item) =>
    typeof item === 'string' ? { kind: 'text', text: item } : { kind: 'tokens', tokens: item },
  );
}
