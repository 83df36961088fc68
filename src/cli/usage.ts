// The text of `--help`, in the reader's language.
import type { Say } from '../messages/say.ts';
import {
  type AnyCommand,
  argumentsOf,
  description,
  REPEATABLE,
  shortOf,
  subCommands,
} from './command-line.ts';
import { displayWidth, pad } from './output.ts';

/** Headings of a list of commands, each with the names under it. */
export type Groups = readonly (readonly [heading: string, names: readonly string[]])[];

export async function usage(
  command: AnyCommand,
  name: string,
  say: Say,
  groups: Groups | null = null,
): Promise<string> {
  const commands = await subCommands(command);
  const args = Object.entries(await argumentsOf(command));
  const words = args.filter(([, def]) => def.type === 'positional');
  const flags = args.filter(([, def]) => def.type !== 'positional');
  const wordText = words.map(([word, def]) =>
    def.required === false ? `[${word.toUpperCase()}]` : word.toUpperCase(),
  );
  const line = [name, ...(commands === null ? wordText : ['<command>'])].join(' ');
  const out = [await description(command), '', `${say('cli.usage')}: ${line}`];
  if (commands !== null) {
    const rows = await Promise.all(
      Object.entries(commands).map(async ([word, sub]) => [word, await description(sub)] as const),
    );
    const width = widthOf(rows);
    const all = rows.map(([word]) => word);
    for (const [heading, names] of groups ?? [[say('cli.commands'), all]]) {
      const own = rows.filter(([word]) => names.includes(word));
      out.push('', heading, ...columns(own, width));
    }
    out.push('', say('cli.more', { name }));
  }
  if (words.length > 0) {
    const rows = words.map(([word, def]) => [word.toUpperCase(), def.description ?? ''] as const);
    out.push('', say('cli.arguments'), ...columns(rows));
  }
  if (flags.length > 0) {
    const rows = flags.map(([flag, def]) => {
      const short = shortOf(def);
      const value =
        def.type === 'boolean'
          ? ''
          : ` ${def.type === 'enum' ? def.options?.join('|') : (def.valueHint ?? 'VALUE')}`;
      const remarks = [
        ...(def.default === undefined ? [] : [say('cli.default', { value: String(def.default) })]),
        ...(def.required === true ? [say('cli.required')] : []),
        ...(REPEATABLE.includes(flag) ? [say('cli.repeatable')] : []),
      ];
      const remark = remarks.length === 0 ? '' : ` (${remarks.join(', ')})`;
      const head = `${short === undefined ? '' : `-${short}, `}--${flag}${value}`;
      return [head, `${def.description ?? ''}${remark}`] as const;
    });
    out.push('', say('cli.options'), ...columns(rows));
  }
  out.push('', say('cli.exit_codes'));
  return out.join('\n');
}

type Rows = readonly (readonly [string, string])[];

const widthOf = (rows: Rows) => Math.max(...rows.map(([left]) => displayWidth(left)));

function columns(rows: Rows, width = widthOf(rows)): string[] {
  return rows.map(([left, right]) => `  ${pad(left, width)}  ${right}`);
}
