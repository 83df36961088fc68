// Names of the outputs, as the legacy command gives them: beside the input, never one that is taken.
import { existsSync } from 'node:fs';

export function outputNames(input: string, suffixes: readonly string[]): string[] {
  const base = input
    .replace(/[/\\]+$/, '')
    .replace(/\.gz$/i, '')
    .replace(/(?<=[^/\\])\.[^./\\]*$/, '');
  for (let i = 0; ; i++) {
    const number = i === 0 ? '' : ` (${i})`;
    const names = suffixes.map((suffix) => `${base}_prepared${suffix}${number}.jsonl`);
    if (!names.some((name) => existsSync(name))) return names;
  }
}

/** For a shell to take apart again: inside double quotes these four mean something. */
export const quoted = (text: string) => `"${text.replace(/[\\"$`]/g, '\\$&')}"`;
