// POST /v1/embeddings: the mean of the model's last hidden states over the tokens of a text, of length 1.
// Any model that answers can do it; a fine-tuned one with its adapter.
import { Hono } from 'hono';
import type { Deps } from '../deps.ts';
import { invalidValue } from '../errors.ts';
import { usableModel } from '../generate.ts';
import { readBody } from '../read-body.ts';
import { CreateEmbedding, inputsOf } from '../schemas/embeddings.ts';

export function embeddings(deps: Deps): Hono {
  return new Hono().post('/', async (c) => {
    const body = await readBody(c, CreateEmbedding, deps.config);
    const { base, adapter } = await usableModel(body.model, deps);
    const { signal } = c.req.raw;
    const data: object[] = [];
    let tokens = 0;
    for (const [index, prompt] of inputsOf(body.input).entries()) {
      const { vector, promptTokens } = await deps.embed(base, { adapter, prompt }, signal);
      const embedding = wire(shortened(vector, body.dimensions), body.encoding_format);
      data.push({ object: 'embedding', index, embedding });
      tokens += promptTokens;
    }
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    return c.json({ object: 'list', data, model: body.model, usage });
  });
}

/** The first `dimensions` numbers, again of length 1, as the original does it. */
function shortened(vector: Float32Array, dimensions: number | undefined): Float32Array {
  if (dimensions === undefined || dimensions === vector.length) return vector;
  if (dimensions > vector.length) {
    const most = `this model's vectors have ${vector.length} dimensions; ask for as many or fewer.`;
    throw invalidValue('dimensions', most);
  }
  const start = vector.subarray(0, dimensions);
  const length = Math.hypot(...start);
  return start.map((x) => x / length);
}

function wire(vector: Float32Array, format: 'float' | 'base64'): number[] | string {
  if (format === 'float') return [...vector];
  const bytes = Buffer.alloc(4 * vector.length);
  for (const [i, x] of vector.entries()) bytes.writeFloatLE(x, 4 * i);
  return bytes.toString('base64');
}
