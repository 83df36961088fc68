// The command line as scripts use it: a server of its own, real processes, exit codes and streams.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ended, Program, script } from './program.ts';

const MODEL = 'stories260k';
const folder = mkdtempSync(join(tmpdir(), 'tunery-cli-'));
let server: Program;
let url: string;

beforeAll(async () => {
  const models = ['--models-dir', 'assets/models'];
  const places = ['--port', '0', '--data-dir', join(folder, 'data'), ...models];
  server = script('tunery', ['serve', ...places, '--json']);
  url = (await server.says(/"url":"([^"]+)"/))[1]!;
});
afterAll(async () => {
  server.process.kill('SIGINT');
  expect((await server.ended()).code).toBe(0);
  rmSync(folder, { recursive: true, force: true });
});

const tunery = (...args: string[]): Promise<Ended> =>
  script('tunery', args, { env: { TUNERY_BASE_URL: url } }).ended();

async function json(...args: string[]) {
  const { code, out, err } = await tunery(...args, '--json');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

function rowsFile(count: number): string {
  const row = { prompt: 'Once upon a time', completion: ', there was a tuner.' };
  const path = join(folder, `${count}.jsonl`);
  writeFileSync(path, `${JSON.stringify(row)}\n`.repeat(count));
  return path;
}

test('files are uploaded, listed, shown, read and deleted', async () => {
  const id = (await tunery('files', 'upload', rowsFile(12))).out.trim();
  expect(id).toMatch(/^file-/);
  expect((await json('files', 'list')).data[0]).toMatchObject({ id, filename: '12.jsonl' });
  expect((await tunery('files', 'get', id)).out).toContain('12.jsonl');
  expect((await tunery('files', 'content', id)).out.split('\n')).toHaveLength(13);
  expect(await json('files', 'delete', id)).toMatchObject({ id, deleted: true });
  expect(await tunery('files', 'get', id)).toMatchObject({ code: 1, out: '' });
});

test('a job is created from paths and followed; its model answers and is exported', async () => {
  const flags = ['-m', MODEL, '-t', rowsFile(12), '--n-epochs', '1', '--suffix', 'cli'];
  const job = await tunery('jobs', 'create', ...flags, '--metadata', 'team=red', '--follow');
  expect(job).toMatchObject({ code: 0 });
  const model = /ft:\S+:cli:[A-Za-z0-9]{8}$/m.exec(job.out)![0];
  expect(job.out).toContain('The job has successfully completed');

  const [listed] = (await json('jobs', 'list')).data;
  expect(listed).toMatchObject({ status: 'succeeded', metadata: { team: 'red' } });
  expect((await tunery('jobs', 'get', listed.id)).out).toContain(model);
  expect((await tunery('jobs', 'events', listed.id, '--limit', '1')).out).toContain('completed');
  expect((await json('jobs', 'checkpoints', listed.id)).data).toHaveLength(1);
  const follow = (await tunery('jobs', 'follow', listed.id, '--json')).out.trim().split('\n');
  expect(JSON.parse(follow.at(-1)!)).toMatchObject({ fine_tuned_model: model });
  expect(await tunery('jobs', 'cancel', listed.id)).toMatchObject({ code: 1, out: '' });

  const answer = await json('chat', '-m', model, '--max-tokens', '5', 'Once');
  expect(answer).toMatchObject({ model, answer: expect.any(String), finish_reason: 'length' });
  for (const [format, file] of [
    ['peft', 'adapter_config.json'],
    ['merged', 'model.safetensors'],
    ['gguf-adapter', 'adapter.gguf'],
  ] as const) {
    const output = join(folder, format);
    const done = await json('export', model, '--format', format, '--output', output);
    expect(done).toMatchObject({ format, output });
    expect(readdirSync(output)).toContain(file);
  }
  expect(await tunery('export', model, '-o', join(folder, 'peft'))).toMatchObject({ code: 1 });
  expect(await json('models', 'delete', model)).toMatchObject({ deleted: true });
});

test('a job pauses, goes on and is cancelled', async () => {
  const flags = ['-m', MODEL, '-t', rowsFile(12), '--n-epochs', '50', '--batch-size', '1'];
  const { id } = await json('jobs', 'create', ...flags);
  while ((await json('jobs', 'get', id)).status !== 'running');
  expect((await tunery('jobs', 'pause', id)).out).toContain('paused');
  expect((await tunery('jobs', 'resume', id)).code).toBe(0);
  expect((await json('jobs', 'cancel', id)).status).toBe('cancelled');
  expect(await tunery('jobs', 'follow', id)).toMatchObject({ code: 1 });
});

test('a job that fails ends with code 1 and says why', async () => {
  const failed = await tunery('jobs', 'create', '-m', MODEL, '-t', rowsFile(9), '--follow');
  expect(failed.code).toBe(1);
  expect(failed.err).toMatch(/\b10\b/);
});

test('models are imported through the server and deleted', async () => {
  const done = await tunery('models', 'import', join(folder, 'merged'), '--json');
  expect(done).toMatchObject({ code: 0, err: expect.stringContaining('merged') });
  const { id } = JSON.parse(done.out);
  expect((await tunery('models', 'list')).out).toContain(id);
  expect(await json('models', 'delete', id)).toMatchObject({ id, deleted: true });
});

test('a conversation is read from a pipe, a line a question', async () => {
  const args = ['chat', '-m', MODEL, '--max-tokens', '3', '--temperature', '0', '--json'];
  const env = { TUNERY_BASE_URL: url };
  const { code, out } = await script('tunery', args, { env, input: 'Once\nTim\n' }).ended();
  expect(code).toBe(0);
  const [answers] = [out.trim().split(/(?<=\})\n(?=\{)/)];
  expect(answers.map((answer) => JSON.parse(answer).model)).toEqual([MODEL, MODEL]);
});

test.each([
  [['jobs', 'create', '-m', MODEL], /--training-file/],
  [['jobs', 'list', '--limt', '3'], /--limt/],
  [['jobs', 'list', '--limit', 'x'], /--limit/],
  [['chat', '-m'], /-m|--model/],
  [['export', 'x', '-o', 'y', '--format', 'zip'], /gguf-adapter/],
  [['fly'], /fly/],
  [['jobs'], /create/],
  [['jobs', 'list', '--lang', 'fr'], /fr/],
])('%j is wrong usage: code 2, and the message names it', async (args, named) => {
  const { code, out, err } = await tunery(...args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toMatch(named);
});

test('an unknown model or job is code 1 with the error of the API, also as JSON', async () => {
  expect(await tunery('chat', '-m', 'nobody', 'hi')).toMatchObject({ code: 1, out: '' });
  const { code, err } = await tunery('jobs', 'get', 'ftjob-none', '--json');
  expect(code).toBe(1);
  expect(JSON.parse(err).error).toMatchObject({ code: 'fine_tune_not_found' });
});

test('where no server answers the code is 3', async () => {
  const { code, err } = await tunery('jobs', 'list', '--base-url', 'http://127.0.0.1:9/v1');
  expect(code).toBe(3);
  expect(err).toContain('http://127.0.0.1:9/v1');
});

test('messages come in Chinese by --lang and by locale', async () => {
  expect((await tunery('--help', '--lang', 'zh')).out).toContain('用法');
  const env = { LC_ALL: 'zh_CN.UTF-8', TUNERY_BASE_URL: 'http://127.0.0.1:9/v1' };
  expect((await script('tunery', ['jobs', 'list'], { env }).ended()).err).toMatch(/[一-龥]/);
});

test('--help lists every command once, under the three steps of the work', async () => {
  const { out } = await tunery('--help');
  expect(out.split('\n').filter((line) => /^[A-Z][\w ]+$/.test(line))).toEqual([
    'Prepare and upload data',
    'Train',
    'Use models',
  ]);
  const listed = [...out.matchAll(/^ {2}(\w+) {2}/gm)].map(([, name]) => name!);
  const known = /Commands: (.*)/.exec((await tunery('no-such-command')).err)![1]!.split(', ');
  expect(listed.sort()).toEqual(known.sort());
});

test('a reader of Chinese reads events, failures and refusals in Chinese', async () => {
  const flags = ['-m', MODEL, '-t', rowsFile(12), '--n-epochs', '1', '--follow', '--lang', 'zh'];
  const { code, out } = await tunery('jobs', 'create', ...flags);
  expect(code).toBe(0);
  const lines = out.trim().split('\n');
  expect(lines.length).toBeGreaterThan(15);
  expect(lines.filter((line) => !/[一-龥]/.test(line))).toEqual([]);
  expect(out.replaceAll(/ft:\S+/g, '')).not.toMatch(/\b(job|step|training|loss|rows?|more)\b/i);
  const few = ['jobs', 'create', '-m', MODEL, '-t', rowsFile(9), '--follow', '--lang', 'zh'];
  expect((await tunery(...few)).err).toContain('训练文件有 9 个样本，至少需要 10 个');
  const zero = ['jobs', 'create', '-m', MODEL, '-t', 'file-x', '--n-epochs', '0', '--lang', 'zh'];
  expect((await tunery(...zero)).err).toContain('n_epochs 的值无效：数字过小，应 >=1；实际为 0。');
});

test('what is no plain file is refused with a sentence, wherever a file is expected', async () => {
  for (const args of [
    ['files', 'upload', folder],
    ['jobs', 'create', '-m', MODEL, '-t', folder],
  ]) {
    const { code, out, err } = await tunery(...args);
    expect({ code, out, err }).toEqual({
      code: 1,
      out: '',
      err: `Cannot read ${folder}: it is a folder or a pipe; name a file\n`,
    });
  }
  const { err } = await tunery('files', 'upload', join(folder, 'nosuch.jsonl'));
  expect(err).toContain('nosuch.jsonl: there is no such file');
});

test('rows that the server refuses are explained in Chinese too', async () => {
  const path = join(folder, 'bad.jsonl');
  const row = (weight: number) =>
    JSON.stringify({ messages: [{ role: 'assistant', content: 'Hi', weight }] });
  writeFileSync(path, `${row(1)}\n${row(2)}\n{"mess\n`);
  const { code, out, err } = await tunery('files', 'upload', path, '--lang', 'zh-CN');
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err.trim().split('\n')).toEqual([
    '服务器拒绝了该文件（共 2 个问题）：',
    'bad.jsonl 第 2 行 messages[0].weight：weight 必须为 0 或 1，实际为 2。1 表示学习该消息，0 表示跳过。',
    expect.stringMatching(/^bad\.jsonl 第 3 行：.*JSON/),
  ]);
});

test('a second server on the data directory is refused with a sentence', async () => {
  const second = script('tunery', ['serve', '--port', '0', '--data-dir', join(folder, 'data')]);
  const { code, out, err } = await second.ended();
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toContain(join(folder, 'data'));
});

test('a data directory that cannot be written is refused with what to do', async () => {
  const file = rowsFile(12); // where a folder should be
  const serve = (path: string) =>
    script('tunery', ['serve', '--port', '0', '--data-dir', path, '--models-dir', file]).ended();
  const below = await serve(join(file, 'data'));
  expect(below.code).toBe(1);
  expect(below.err).toContain('choose another --data-dir');
  expect(below.err).toContain(`There is no folder ${file}`);
  const { code, err } = await serve(file);
  expect(code).toBe(1);
  expect(err).toContain(`${file} is a file, not a folder. Choose another --data-dir.`);
});

test.skipIf(process.platform === 'win32')('the recipe runs to its end', async () => {
  const { code, out, err } = await new Program('bash', ['recipes/lora-tiny.sh']).ended();
  expect(code, err).toBe(0);
  expect(out).toContain('adapter.gguf');
});
