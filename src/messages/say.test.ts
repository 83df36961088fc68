import { expect, test } from 'vitest';
import { en, type MessageKey } from './en.ts';
import { languageOf, parseLanguage, say } from './say.ts';
import { zhCN } from './zh-cn.ts';

const placeholders = (text: string) =>
  [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('every message fills the same places in both languages', () => {
  const differ = (Object.keys(en) as MessageKey[]).filter(
    (key) => placeholders(zhCN[key]).join() !== placeholders(en[key]).join(),
  );
  expect(differ).toEqual([]);
});

test('a message is filled in, in the language asked for', () => {
  expect(say('deleted', { id: 'file-1' })).toBe('file-1 is deleted');
  expect(say('deleted', { id: 'file-1' }, 'zh-CN')).toBe('file-1 已删除');
});

test('a value that looks like a placeholder is left alone', () => {
  expect(say('deleted', { id: '{id}' })).toBe('{id} is deleted');
});

test('a missing parameter is an exception, not a gap in the sentence', () => {
  expect(() => say('deleted')).toThrow('message deleted needs the parameter id');
});

test.each([
  [{}, 'en'],
  [{ LANG: 'zh_CN.UTF-8' }, 'zh-CN'],
  [{ LANG: 'zh_CN.UTF-8', LC_ALL: 'C' }, 'en'],
  [{ LANG: 'de_DE.UTF-8' }, 'en'],
  [{ LANG: 'en_US.UTF-8', TUNERY_LANG: 'zh' }, 'zh-CN'],
  [{ LC_ALL: '', LANG: 'zh_TW' }, 'zh-CN'],
] as const)('the environment %j speaks %s', (env, language) => {
  expect(languageOf(env)).toBe(language);
});

test('a language without a catalogue is not guessed', () => {
  expect(parseLanguage('fr')).toBeNull();
});
