// Requests and tokens per minute of one key: two buckets that refill steadily, in memory. Tokens are
// known only after the model has answered, so a bucket may go below zero and must recover first.
import type { Clock } from '../lib/clock.ts';
import type { KeyRow } from '../store/keys.ts';
import { rateLimited } from './errors.ts';

type Kind = 'requests' | 'tokens';
type Limits = Pick<
  KeyRow,
  'id' | 'redacted_value' | 'organization_id' | 'requests_per_minute' | 'tokens_per_minute'
>;

export type RateLimits = {
  /** Takes one request, or throws the 429 that says when to come again. */
  readonly take: (key: Limits, spendsTokens: boolean) => void;
  readonly spend: (key: Limits, tokens: number) => void;
  /** `x-ratelimit-…`, of the limits that the key has. */
  readonly headers: (key: Limits) => [name: string, value: string][];
};

const MINUTE_MS = 60_000;
const ONE = 1 - 1e-9; // who waited as long as was asked must not fail by a rounding

export function createRateLimits({ now }: Clock): RateLimits {
  const buckets = new Map<string, { level: number; at: number }>();
  const bucket = (key: Limits, kind: Kind, limit: number) => {
    const name = `${kind} ${key.id}`;
    const at = now();
    const last = buckets.get(name) ?? { level: limit, at };
    const refilled = last.level + ((at - last.at) * limit) / MINUTE_MS;
    const current = { level: Math.min(limit, refilled), at };
    buckets.set(name, current);
    return current;
  };
  const refuse = (key: Limits, kind: Kind, limit: number, missing: number) =>
    rateLimited({
      kind,
      key: key.redacted_value,
      organization: key.organization_id,
      limit,
      waitMs: Math.round((missing * MINUTE_MS) / limit),
    });

  return {
    take: (key, spendsTokens) => {
      const { requests_per_minute: requests, tokens_per_minute: tokens } = key;
      if (spendsTokens && tokens !== null) {
        const { level } = bucket(key, 'tokens', tokens);
        if (level < ONE) throw refuse(key, 'tokens', tokens, 1 - level);
      }
      if (requests === null) return;
      const current = bucket(key, 'requests', requests);
      if (current.level < ONE) throw refuse(key, 'requests', requests, 1 - current.level);
      current.level -= 1;
    },
    spend: (key, tokens) => {
      if (key.tokens_per_minute !== null)
        bucket(key, 'tokens', key.tokens_per_minute).level -= tokens;
    },
    headers: (key) => {
      const limits = [
        ['requests', key.requests_per_minute],
        ['tokens', key.tokens_per_minute],
      ] as const;
      return limits.flatMap(([kind, limit]) => {
        if (limit === null) return [];
        const { level } = bucket(key, kind, limit);
        const untilFull = Math.round(((limit - level) * MINUTE_MS) / limit);
        return [
          [`x-ratelimit-limit-${kind}`, String(limit)],
          [`x-ratelimit-remaining-${kind}`, String(Math.max(0, Math.floor(level + 1 - ONE)))],
          [`x-ratelimit-reset-${kind}`, duration(untilFull)],
        ];
      });
    },
  };
}

/** `17ms`, `1.5s`, `6m0s`: as the original writes durations. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / MINUTE_MS);
  const seconds = Number(((ms % MINUTE_MS) / 1000).toFixed(3));
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}
