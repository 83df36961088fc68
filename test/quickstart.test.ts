// `npm run quickstart` on the bundled tiny model, as a newcomer meets it: interrupted, without a
// network, with its port taken, again on what an earlier run left; and what it prints is run.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { script } from './program.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-quickstart-'));
const data = ['--data-dir', join(folder, 'data')];
const models = { TUNERY_MODELS: 'assets/models' };
const questions: string[] = JSON.parse(readFileSync('assets/quickstart/questions.json', 'utf8'));
// Each run trains and answers; a machine that does other things too takes its time.
vi.setConfig({ testTimeout: 240_000 });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function checkReport(path: string) {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  expect(report).toEqual({
    base_model: 'stories260k',
    fine_tuned_model: expect.stringMatching(/^ft:stories260k:[^:]+:quickstart:[A-Za-z0-9]{8}$/),
    train_seconds: expect.any(Number),
    steps: expect.any(Number),
    target_tokens_per_second: expect.any(Number),
    valid_loss_before: expect.any(Number),
    valid_loss_after: expect.any(Number),
    questions: questions.map((question) => ({
      question,
      base: expect.any(String),
      tuned: expect.any(String),
    })),
  });
  expect(report.steps).toBeGreaterThan(0);
  expect(report.train_seconds).toBeGreaterThan(0);
  expect(report.target_tokens_per_second).toBeGreaterThan(0);
  expect(report.valid_loss_after).toBeLessThan(report.valid_loss_before);
  return report;
}

test('Ctrl-C while it trains cancels the job and closes the server', async () => {
  const run = script('quickstart', [...data, '--port', '0'], { env: models });
  await run.says(/step \d+\//);
  run.process.kill('SIGINT');
  const { code, err } = await run.ended();
  expect({ code, err }).toMatchObject({ code: 130, err: expect.not.stringContaining('    at ') });
});

test('without any model it says that this is a toy; what it prints works', async () => {
  // Somebody else has the usual port: this listener, or whoever keeps it from listening.
  const other = createServer().on('error', () => {});
  await new Promise<void>((done) => {
    other.once('listening', done).once('error', () => done());
    other.listen(8080, '127.0.0.1');
  });
  const report = join(folder, 'report.json');
  // No hub answers there, and no Python is found.
  const env = { HF_ENDPOINT: 'http://127.0.0.1:9', PATH: folder };
  const run = script('quickstart', [...data, '--report', report], { env });
  const [, url] = await run.says(/keeps answering at (\S+)\. Ctrl-C/);
  other.close();
  expect(run.err).toMatch(/toy/);
  expect(url).not.toContain(':8080');
  const { fine_tuned_model } = checkReport(report);
  expect(run.out).toContain(fine_tuned_model);

  const curl = /^curl .*$/m.exec(run.out)![0];
  const answer = JSON.parse(execFileSync('sh', ['-c', curl], { encoding: 'utf8' }));
  expect(answer.model).toBe(fine_tuned_model);
  const ask = join(folder, 'ask.mjs');
  writeFileSync(ask, /^import OpenAI[\s\S]*?^console.*$/m.exec(run.out)![0]);
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  expect(execFileSync(process.execPath, [ask], { encoding: 'utf8' }).trim()).not.toBe('');

  run.process.kill('SIGINT');
  expect((await run.ended()).code).toBe(0);
});

test('again on the same data directory, with --exit, it ends by itself', async () => {
  const report = join(folder, 'again.json');
  const flags = [...data, '--port', '0', '--exit', '--report', report, '--json'];
  const { code, out } = await script('quickstart', flags, { env: models }).ended();
  expect(code).toBe(0);
  expect(out).toContain(checkReport(report).fine_tuned_model);
});
