import { expect, test } from 'vitest';
import { en, type MessageKey } from './en.ts';
import { retell } from './retell.ts';
import { say, speaker } from './say.ts';
import { wireEn } from './wire-en.ts';

const chinese = speaker('zh-CN');
const sentences = (Object.keys(wireEn) as MessageKey[]).filter(
  (key) => !/^(part|reason)\./.test(key),
);
const sample = (key: MessageKey) =>
  Object.fromEntries(
    [...en[key].matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, SHAPED[name!] ?? `«${name}»`]),
  );
const SHAPED: Record<string, string> = { which: 'training', signal: 'SIGKILL', code: '7' };

test.each(sentences)('%s is known by its words, with what fills its places', (key) => {
  const retold = { ...sample(key), ...('which' in sample(key) && { which: '训练' }) };
  expect(retell(say(key, sample(key)), chinese)).toBe(chinese(key, retold));
});

test('what is in no catalogue, and whatever an English reader reads, stays as it came', () => {
  expect(retell('The moon is full', chinese)).toBe('The moon is full');
  expect(retell('Fine-tuning job started', speaker('en'))).toBe('Fine-tuning job started');
});

test('sentences inside of sentences and lists are retold too', () => {
  const rows = [
    { line: 3, file: 'file-a', tokens: 90, lost: 26 },
    { line: 7, file: 'file-a', tokens: 70, lost: 6 },
  ];
  const list = rows.map((row) => say('event.cut_row', row)).join(', ');
  const more = say('part.and_more', { first: list, count: 5 });
  const cut = say('event.cut', { rows: 7, context: 64, lost: 99, list: more });
  expect(retell(cut, chinese)).toBe(
    '7 行超过训练上下文长度（64 个 token），已从末尾截断，共丢失 99 个 token：' +
      'file-a 第 3 行（90 个 token，丢失 26 个），file-a 第 7 行（70 个 token，丢失 6 个），另有 5 处',
  );
  const crash = 'The train process was killed by SIGKILL; its last output: out of luck';
  expect(retell(say('event.again', { crash }), chinese)).toBe(
    'train 进程被 SIGKILL 终止；其最后输出：out of luck。将从最近的检查点重新开始。',
  );
  const short = say('failure.n_examples', { count: 9, least: 10 });
  expect(retell(say('event.failed', { message: short }), chinese)).toBe(
    '任务失败：训练文件有 9 个样本，至少需要 10 个',
  );
  const long = say('failure.rows_too_long', { which: 'training', list: 'line 4 (90 tokens)' });
  expect(retell(say('event.failed', { message: long }), chinese)).toMatch(
    /^任务失败：训练文件中有行超过训练上下文长度：第 4 行（90 个 token）。/,
  );
  const remark =
    'The training file: 2 row(s) answer with the question itself (lines 1, 4). Correct or remove them. [echo]';
  expect(retell(remark, chinese)).toMatch(/^训练文件：[^a-z]*（第 1, 4 行）。[^a-z]* \[echo\]$/);
});

test('a name that looks like a sentence is a name', () => {
  const model = 'Fine-tuning job started';
  expect(retell(say('event.model', { model }), chinese)).toBe(`新的微调模型：${model}`);
});
