// The formats of a training line that the API takes: which one a row is in, and what is wrong with it.
// Upload, jobs and the data tools all judge by this.
import { type Finding, finding } from '../problems.ts';
import { chatFindings } from './chat.ts';
import { completionFindings } from './completion.ts';
import { isPreference, preferenceFindings } from './preference.ts';
import { isReinforcement, reinforcementFindings } from './reinforcement.ts';

type Json = Readonly<Record<string, unknown>>;

const FINDINGS = {
  chat: chatFindings,
  completion: completionFindings,
  preference: preferenceFindings,
  reinforcement: reinforcementFindings,
} as const satisfies Record<string, (row: Json) => Generator<Finding>>;

export type Format = keyof typeof FINDINGS;

export const findingsOf = (format: Format, row: Json): Generator<Finding> => FINDINGS[format](row);

export const isFormat = (name: string): name is Format => Object.hasOwn(FINDINGS, name);

/** A finding where the row is in none of the formats, or in two. */
export function formatOf(row: Json): Format | Finding {
  const [format, another] = [
    ...('messages' in row ? ([isReinforcement(row) ? 'reinforcement' : 'chat'] as const) : []),
    ...('prompt' in row || 'completion' in row ? (['completion'] as const) : []),
    ...(isPreference(row) ? (['preference'] as const) : []),
  ];
  if (format !== undefined && another !== undefined)
    return finding('', 'data.both_formats', { first: format, second: another });
  if (format !== undefined) return format;
  if ('message' in row) return finding('message', 'data.message_key');
  return finding('', 'data.unknown_format', { got: Object.keys(row).slice(0, 5).join(', ') });
}

/** Everything that is wrong with a row; nothing for a sound one. */
export function* rowFindings(row: Json): Generator<Finding> {
  const format = formatOf(row);
  if (typeof format === 'string') yield* findingsOf(format, row);
  else yield format;
}
