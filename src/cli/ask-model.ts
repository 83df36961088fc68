// A model behind any OpenAI-compatible endpoint, as a function; what its answers cost.
import { z } from 'zod';
import type { AskModel, Told } from '../data/documents/ask.ts';
import { decimal } from './arguments.ts';
import type { Cli } from './cli.ts';
import type { Client } from './client.ts';
import { Failure } from './failure.ts';
import { progress } from './progress.ts';

const Completion = z.looseObject({
  choices: z
    .array(z.looseObject({ message: z.looseObject({ content: z.string().nullable() }) }))
    .min(1),
  usage: z.looseObject({ prompt_tokens: z.int(), completion_tokens: z.int() }).nullish(),
});

export const priceFlags = ({ say }: Cli) =>
  ({
    'price-in': { type: 'string', description: say('arg.price_in'), default: '0', valueHint: 'X' },
    'price-out': {
      type: 'string',
      description: say('arg.price_out'),
      default: '0',
      valueHint: 'X',
    },
    parallel: { type: 'string', description: say('arg.parallel'), default: '1', valueHint: 'N' },
    'max-tokens': {
      type: 'string',
      description: say('arg.max_tokens'),
      default: '1024',
      valueHint: 'N',
    },
    temperature: {
      type: 'string',
      description: say('arg.temperature'),
      default: '0.3',
      valueHint: 'X',
    },
  }) as const;

export function modelAsker(
  client: Client,
  model: string,
  maxTokens: number,
  temperature: number,
): AskModel {
  return async (messages) => {
    const body = { model, messages, max_tokens: maxTokens, temperature };
    const { choices, usage } = await client.post('/chat/completions', body, Completion);
    return {
      text: choices[0]!.message.content ?? '',
      promptTokens: usage?.prompt_tokens ?? 0,
      completionTokens: usage?.completion_tokens ?? 0,
    };
  };
}

/** Money for tokens, by prices per million. */
export function costOf(
  cli: Cli,
  args: { readonly 'price-in': string; readonly 'price-out': string },
) {
  const [per, out] = (['price-in', 'price-out'] as const).map((name) =>
    decimal(cli.say, `--${name}`, args[name], 0, 1e6),
  ) as [number, number];
  return ({ promptTokens, completionTokens }: Pick<Told, 'promptTokens' | 'completionTokens'>) =>
    Number(((promptTokens * per + completionTokens * out) / 1e6).toFixed(4));
}

/** Shows progress while `work` runs; says how to go on when it is interrupted. */
export async function withProgress<T>(
  cli: Cli,
  cost: ReturnType<typeof costOf>,
  work: (onProgress: (told: Told) => void) => Promise<T>,
): Promise<T> {
  const bar = progress(cli.stderr, Date.now);
  try {
    return await work((told) =>
      bar.show(told.done / told.of, cli.say('ask.progress', { ...told, cost: cost(told) })),
    );
  } catch (error) {
    bar.end();
    if (!cli.signal.aborted) throw error;
    throw new Failure(cli.say('ask.interrupted'), {
      exitCode: 130,
      code: 'interrupted',
      cause: error,
    });
  } finally {
    bar.end();
  }
}
