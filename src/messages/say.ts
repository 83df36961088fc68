// Turns a key of the catalogue into a sentence in the reader's language. Imports nothing of ours, so
// that the browser can bundle it. Code, logs and the API's own `message` stay English.
import { en, type MessageKey } from './en.ts';
import { zhCN } from './zh-cn.ts';

export type Language = 'en' | 'zh-CN';
export type Params = Readonly<Record<string, string | number>>;
export type Say = (key: MessageKey, params?: Params) => string;

const CATALOGUES = { en, 'zh-CN': zhCN } as const satisfies Record<
  Language,
  Record<MessageKey, string>
>;

/** Throws on a placeholder that `params` lacks: a mistake of ours, which a test should meet. */
export function say(key: MessageKey, params: Params = {}, language: Language = 'en'): string {
  return CATALOGUES[language][key].replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined) throw new Error(`message ${key} needs the parameter ${name}`);
    return String(value);
  });
}

export const speaker =
  (language: Language): Say =>
  (key, params) =>
    say(key, params, language);

/** `zh`, `zh_CN.UTF-8`, `en-GB` …; null for a language that has no catalogue. */
export function parseLanguage(tag: string): Language | null {
  if (/^zh\b|^zh_/i.test(tag)) return 'zh-CN';
  return /^(en\b|en_|C$|C\.|POSIX$)/i.test(tag) ? 'en' : null;
}

/** English unless the environment asks for a language that has a catalogue. */
export function languageOf(env: Readonly<Record<string, string | undefined>>): Language {
  const wanted = [env['TUNERY_LANG'], env['LC_ALL'], env['LC_MESSAGES'], env['LANG']];
  return parseLanguage(wanted.find((tag) => tag !== undefined && tag !== '') ?? 'en') ?? 'en';
}
