// Finds the command that was meant and refuses whatever it does not know: citty's own parser takes
// unknown flags and surplus words in silence. Refusals name the flag and what is possible instead.
import { parseArgs } from 'node:util';
import type { ArgDef, ArgsDef, CommandDef } from 'citty';
import type { Say } from '../messages/say.ts';
import { usageError } from './failure.ts';

// biome-ignore lint/suspicious/noExplicitAny: a tree of commands holds commands of every argument type
export type AnyCommand = CommandDef<any>;
/** Loaded when it is called; its description is known before. */
export type LazyCommand = (() => Promise<AnyCommand>) & { readonly about: string };
export type Found = {
  readonly command: AnyCommand;
  /** `tunery jobs create` */
  readonly name: string;
  readonly args: readonly string[];
  readonly help: boolean;
};

/** Flags that collect; read them with `repeated`. */
export const REPEATABLE: readonly string[] = [
  'models-dir',
  'metadata',
  'where',
  'set',
  'replace',
  'key',
];

export async function findCommand(root: AnyCommand, argv: readonly string[], say: Say) {
  let command = root;
  let name = 'tunery';
  let rest = [...argv];
  const help = helpWanted(argv);
  for (;;) {
    const commands = await subCommands(command);
    if (commands === null) break;
    // `--json` may stand before the command too.
    const at = rest.findIndex((word) => !word.startsWith('-'));
    const word = rest[at];
    const known = Object.keys(commands).join(', ');
    if (word === undefined) {
      if (help) break;
      throw usageError(say('usage.no_command', { known }));
    }
    const next = commands[word];
    if (next === undefined || !Object.hasOwn(commands, word)) {
      throw usageError(say('usage.unknown_command', { name: word, known }));
    }
    command = await resolve(next);
    name = `${name} ${word}`;
    rest = [...rest.slice(at + 1), ...rest.slice(0, at)];
  }
  return { command, name, args: rest, help } satisfies Found;
}

/** Throws a usage error unless `args` are just what the command takes. */
export async function checkArguments({ command, name, args }: Found, say: Say): Promise<void> {
  const defs = await argumentsOf(command);
  const { tokens } = tokenize(args, defs);
  const flags = Object.entries(defs).filter(([, def]) => def.type !== 'positional');
  const known = flags.map(([flag]) => `--${flag}`).join(', ');
  const seen = new Set<string>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const def = flags.find(([flag]) => flag === token.name)?.[1];
    const flag = token.rawName;
    if (def === undefined)
      throw usageError(say('usage.unknown_flag', { flag, command: name, known }));
    checkValue(def, flag, token, say);
    if (seen.has(token.name) && !REPEATABLE.includes(token.name)) {
      throw usageError(say('usage.twice', { flag }));
    }
    seen.add(token.name);
  }
  checkWords(name, words, defs, say);
  for (const [flag, def] of flags) {
    if (def.required === true && !seen.has(flag)) {
      const what = def.description ?? '';
      throw usageError(say('usage.missing_flag', { command: name, flag: `--${flag}`, what }));
    }
  }
}

export function repeated(rawArgs: readonly string[], name: string): string[] {
  const options = { [name]: { type: 'string', multiple: true } } as const;
  const { tokens } = parseArgs({ args: [...rawArgs], options, strict: false, tokens: true });
  return tokens.flatMap((token) =>
    token.kind === 'option' && token.name === name && token.value !== undefined
      ? [token.value]
      : [],
  );
}

export async function argumentsOf(command: AnyCommand): Promise<ArgsDef> {
  return (await resolve(command.args)) ?? {};
}

export async function subCommands(command: AnyCommand) {
  const commands = (await resolve(command.subCommands)) ?? null;
  return commands as Record<string, AnyCommand | LazyCommand> | null;
}

export async function description(command: AnyCommand | LazyCommand): Promise<string> {
  if (typeof command === 'function') return command.about;
  return (await resolve(command.meta))?.description ?? '';
}

export async function resolve<T>(value: T | Promise<T> | (() => T | Promise<T>)): Promise<T> {
  return typeof value === 'function' ? (value as () => T | Promise<T>)() : value;
}

/** The one-letter spelling of a flag. */
export function shortOf(def: ArgDef): string | undefined {
  const aliases = 'alias' in def ? (def.alias ?? []) : [];
  return [aliases].flat().find((alias) => alias.length === 1);
}

function helpWanted(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  return flags.includes('--help') || flags.includes('-h');
}

function tokenize(args: readonly string[], defs: ArgsDef) {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string; multiple: true }> =
    {};
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === 'positional') continue;
    const short = shortOf(def);
    const type = def.type === 'boolean' ? 'boolean' : 'string';
    options[name] = { type, multiple: true, ...(short === undefined ? {} : { short }) };
  }
  return parseArgs({
    args: [...args],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
}

type OptionToken = {
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
};

function checkValue(def: ArgDef, flag: string, { value, inlineValue }: OptionToken, say: Say) {
  if (def.type === 'boolean') {
    if (value !== undefined) throw usageError(say('usage.no_value', { flag }));
    return;
  }
  const nextFlag = value !== undefined && !inlineValue && /^-\D/.test(value);
  if (value === undefined || value === '' || nextFlag) {
    throw usageError(say('usage.missing_value', { flag }));
  }
  const known = def.type === 'enum' ? (def.options ?? []) : [];
  if (known.length > 0 && !known.includes(value)) {
    throw usageError(say('usage.choice', { flag, known: known.join(', '), value }));
  }
}

function checkWords(name: string, words: readonly string[], defs: ArgsDef, say: Say): void {
  const positional = Object.entries(defs).filter(([, def]) => def.type === 'positional');
  const missing = positional[words.length];
  if (missing !== undefined && missing[1].required !== false) {
    const what = missing[1].description ?? '';
    const upper = missing[0].toUpperCase();
    throw usageError(say('usage.missing_argument', { command: name, name: upper, what }));
  }
  const extra = words[positional.length];
  // `files` takes all that follow.
  if (positional.at(-1)?.[0] === 'files') return;
  if (extra !== undefined) {
    throw usageError(say('usage.extra_argument', { command: name, value: extra }));
  }
}
