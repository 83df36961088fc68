// How alike two texts are, from 0 to 1, by the metrics of the API.
import { CodedError } from '../lib/coded-error.ts';
import { fuzzy } from './metrics/fuzzy.ts';
import { meteor } from './metrics/meteor.ts';
import { bleu, cosine, gleu, rouge, rougeL } from './metrics/overlap.ts';

type Metric = (input: string, reference: string) => number;

export const METRICS = {
  cosine,
  fuzzy_match: fuzzy,
  bleu,
  gleu,
  meteor,
  rouge_1: (input, reference) => rouge(input, reference, 1),
  rouge_2: (input, reference) => rouge(input, reference, 2),
  rouge_3: (input, reference) => rouge(input, reference, 3),
  rouge_4: (input, reference) => rouge(input, reference, 4),
  rouge_5: (input, reference) => rouge(input, reference, 5),
  rouge_l: rougeL,
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as [MetricName, ...MetricName[]];

const LONGEST = 50_000; // characters; some metrics take time with the square of it

export function similarity(metric: MetricName, input: string, reference: string): number {
  if (Math.max(input.length, reference.length) > LONGEST) {
    const message = `A text of more than ${LONGEST} characters cannot be compared; shorten it.`;
    throw new CodedError('text_too_long', message);
  }
  return METRICS[metric](input, reference);
}
