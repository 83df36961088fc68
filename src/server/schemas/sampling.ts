// What chat and completions share: the sampler's parameters, and the list of those that this server
// knows but cannot obey yet. Such a parameter passes only with a value that asks for nothing.
import { z } from 'zod';
import { ApiError, unsupported } from '../errors.ts';
import { nullFree } from './common.ts';

type Bias = [id: number, bias: number];

export const samplingShape = {
  model: z.string().min(1),
  temperature: z.number().min(0).max(2).default(1),
  top_p: z.number().min(0).max(1).default(1),
  n: z.int().min(1).max(128).default(1),
  seed: z.int().optional(),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1)).max(4)])
    .transform((stop) => [stop].flat())
    .default([]),
  presence_penalty: z.number().min(-2).max(2).default(0),
  frequency_penalty: z.number().min(-2).max(2).default(0),
  /** Keys are token ids. */
  logit_bias: z
    .record(
      z.string().regex(/^\d{1,9}$/, 'expected token ids as keys'),
      z.number().min(-100).max(100),
    )
    .transform((biases) => Object.entries(biases).map(([id, bias]): Bias => [Number(id), bias]))
    .default([]),
  stream: z.boolean().default(false),
  stream_options: nullFree(z.looseObject({ include_usage: z.boolean().default(false) })).optional(),
};

/** Known, if without effect: a strict server refuses only what the API does not have. */
export const accepted = (...names: string[]): Record<never, z.ZodUnknown> =>
  Object.fromEntries(names.map((name) => [name, z.unknown().optional()]));

type Neutral = (value: unknown) => boolean;
const isFalse: Neutral = (value) => value === false;
const isEmpty: Neutral = (value) =>
  value === '' || (typeof value === 'object' && Object.keys(value as object).length === 0);
const never: Neutral = () => false;

const UNSUPPORTED: Readonly<Record<string, { readonly neutral: Neutral; readonly hint: string }>> =
  {
    store: { neutral: isFalse, hint: 'completions are not stored; leave it out' },
    modalities: {
      neutral: (value) => Array.isArray(value) && value.every((kind) => kind === 'text'),
      hint: "only ['text'] works",
    },
    audio: { neutral: never, hint: 'leave it out' },
    web_search_options: { neutral: never, hint: 'leave it out' },
    suffix: { neutral: isEmpty, hint: 'leave it out' },
  };

/** Refused with any value that asks for something. */
export const notSupported = accepted(...Object.keys(UNSUPPORTED));

export function checkSampling(body: Readonly<Record<string, unknown>>, strict: boolean): void {
  for (const [param, { neutral, hint }] of Object.entries(UNSUPPORTED)) {
    const value = body[param];
    if (value !== undefined && !neutral(value)) throw unsupported(param, hint);
  }
  // The official SDK's own suite sends both; the original refuses.
  if (strict && body['stream_options'] !== undefined && body['stream'] !== true)
    throw new ApiError("The 'stream_options' parameter is only allowed when 'stream' is enabled.", {
      status: 400,
      code: null,
      param: 'stream_options',
    });
}

type Sampling = {
  readonly temperature: number;
  readonly top_p: number;
  readonly stop: string[];
  readonly presence_penalty: number;
  readonly frequency_penalty: number;
  readonly logit_bias: Bias[];
};

/** The wire's names to the sampler's. */
export const samplingOf = (body: Sampling) => ({
  temperature: body.temperature,
  topP: body.top_p,
  stop: body.stop,
  presencePenalty: body.presence_penalty,
  frequencyPenalty: body.frequency_penalty,
  logitBias: body.logit_bias,
});

/** The sampler takes 32 bits; each of `n` choices draws from its own stream. */
export const choiceSeed = (seed: number | undefined, choice: number) =>
  seed === undefined ? null : Number(BigInt.asUintN(31, BigInt(seed) + BigInt(choice)));
