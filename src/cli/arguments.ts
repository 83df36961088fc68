// Flags that several commands share, and the reading of values: a flag's text becomes a number or an
// object here, or a usage error that names the flag.
import type { Say } from '../messages/say.ts';
import { type Cli, DEFAULT_BASE_URL } from './cli.ts';
import { usageError } from './failure.ts';

/** For commands that talk to a server. `--lang` is read in main.ts and listed for the help. */
export const remote = (cli: Cli) =>
  ({
    'base-url': {
      type: 'string',
      description: cli.say('arg.base_url'),
      default: cli.env['TUNERY_BASE_URL'] || DEFAULT_BASE_URL,
      valueHint: 'URL',
    },
    ...common(cli),
  }) as const;

export const common = ({ say }: Cli) =>
  ({
    json: { type: 'boolean', description: say('arg.json') },
    lang: { type: 'string', description: say('arg.lang'), valueHint: 'en|zh' },
  }) as const;

export function wholeNumber(say: Say, flag: string, value: string, min: number, max: number) {
  const number = Number(value);
  if (/^-?\d+$/.test(value) && number >= min && number <= max) return number;
  const expected = say('usage.whole_number', { min, max });
  throw usageError(say('usage.number', { flag, expected, value }));
}

export function decimal(say: Say, flag: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (value.trim() !== '' && number >= min && number <= max) return number;
  const expected = say('usage.number_range', { min, max });
  throw usageError(say('usage.number', { flag, expected, value }));
}

/** The server checks the range; here it must be a number at all. */
export function autoOrNumber(say: Say, flag: string, value: string): 'auto' | number {
  if (value === 'auto') return value;
  const number = Number(value);
  if (value.trim() !== '' && Number.isFinite(number)) return number;
  throw usageError(say('usage.number', { flag, expected: say('usage.auto_or_number'), value }));
}

/** NAME=TEXT. */
export function pairOf(say: Say, flag: string, text: string): [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw usageError(say('usage.pair', { flag, value: text }));
}

export function jsonObject(say: Say, flag: string, value: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (error) {
    throw usageError(say('usage.json', { flag, reason: (error as SyntaxError).message }));
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
  throw usageError(say('usage.json', { flag, reason: value }));
}
