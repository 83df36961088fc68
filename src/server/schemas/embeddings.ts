// POST /v1/embeddings
import { z } from 'zod';
import { type OnePrompt, promptsOf } from './completions.ts';

const Tokens = z.array(z.int().min(0)).min(1);
const Text = z.string().min(1);
const MAX_INPUTS = 2048;

export const CreateEmbedding = z.looseObject({
  model: z.string().min(1),
  input: z.union([
    Text,
    Tokens,
    z
      .array(z.union([Text, Tokens]))
      .min(1)
      .max(MAX_INPUTS),
  ]),
  encoding_format: z.enum(['float', 'base64']).default('float'),
  dimensions: z.int().min(1).optional(),
  user: z.unknown().optional(),
});

export const inputsOf = (input: z.infer<typeof CreateEmbedding>['input']): OnePrompt[] =>
  promptsOf(input);
