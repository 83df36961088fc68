// Keys from the command line to the official client: made without a server, asked for by one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import OpenAI, { toFile } from 'openai';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { run } from '../src/cli/run.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-keys-'));
const data = join(folder, 'data');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Env = Record<string, string>;

class Text extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void) {
    this.text += chunk;
    done();
  }
}

/** The whole command line, in this process: what takes time is not the shell. */
function begin(args: readonly string[], env: Env = {}) {
  const [stdout, stderr, stop] = [new Text(), new Text(), new AbortController()];
  const streams = { stdin: Readable.from([]), stdout, stderr, signal: stop.signal };
  const ended = run(args, { ...streams, env: { LC_ALL: 'C.UTF-8', ...env } });
  return { stdout, stderr, stop, ended };
}

async function tunery(args: readonly string[], env: Env = {}) {
  const { stdout, stderr, ended } = begin(args, env);
  return { code: await ended, out: stdout.text, err: stderr.text };
}

async function serve(...flags: string[]) {
  const places = ['--port', '0', '--models-dir', 'assets/models', ...flags];
  const { stdout, stop, ended } = begin(['serve', ...places, '--json']);
  const close = async () => {
    stop.abort();
    expect(await ended).toBe(0);
  };
  onTestFinished(close);
  await expect.poll(() => stdout.text, { timeout: 60_000, interval: 20 }).toContain('"url"');
  return { url: JSON.parse(stdout.text).url as string, close };
}

test('a key made without a server opens the server, and nothing else does', async () => {
  const made = await tunery(['keys', 'create', '--name', 'me', '--data-dir', data]);
  expect(made).toMatchObject({ code: 0, err: expect.stringContaining('admin') });
  const admin = made.out.trim();
  expect(admin).toMatch(/^sk-\w{48}$/);

  const { close, url } = await serve('--data-dir', data);
  const place = { TUNERY_BASE_URL: url };
  const locked = await tunery(['models', 'list'], place);
  expect(locked).toMatchObject({ code: 1, out: '' });
  expect(locked.err).toMatch(/TUNERY_API_KEY/);
  expect((await tunery(['models', 'list'], { ...place, OPENAI_API_KEY: admin })).code).toBe(0);

  const asAdmin = { ...place, TUNERY_API_KEY: admin };
  const flags = ['--name', 'team', '--organization', 'acme', '--requests-per-minute', '600'];
  const key = JSON.parse((await tunery(['keys', 'create', ...flags, '--json'], asAdmin)).out);
  expect(key).toMatchObject({ organization_id: 'org-acme', scopes: ['read', 'infer', 'tune'] });
  const list = await tunery(['keys', 'list'], asAdmin);
  expect(list.out).toMatch(/key_\w+ +sk-\w\w\*{3}\w{4} +active +org-acme +read,infer,tune .*team/);
  expect(list.out).not.toContain(key.value);
  const refused = await tunery(['keys', 'list'], { ...place, TUNERY_API_KEY: key.value });
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('admin') });
  const inUse = await tunery(['keys', 'list', '--data-dir', data]);
  expect(inUse).toMatchObject({ code: 1, err: expect.stringContaining(data) });

  const client = new OpenAI({ apiKey: key.value, organization: 'org-acme', baseURL: url });
  const rows = `${JSON.stringify({ prompt: 'Tim saw', completion: ' a ball.' })}\n`.repeat(12);
  const file = await toFile(Buffer.from(rows), 'rows.jsonl');
  const job = await client.fineTuning.jobs.create({
    model: 'stories260k',
    training_file: (await client.files.create({ file, purpose: 'fine-tune' })).id,
    method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 1 } } },
  });
  expect(job.organization_id).toBe('org-acme');
  await expect
    .poll(async () => (await client.fineTuning.jobs.retrieve(job.id)).fine_tuned_model, {
      timeout: 60_000,
      interval: 200,
    })
    .toMatch(/^ft:stories260k:acme::\w{8}$/);

  const gone = await tunery(['keys', 'revoke', key.id], asAdmin);
  expect(gone).toMatchObject({ code: 0, out: expect.stringContaining(key.id) });
  await expect(client.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  const rest = await tunery(['keys', 'list', '--json'], asAdmin);
  expect(JSON.parse(rest.out).data).toMatchObject([{ name: 'me' }]);
  expect((await tunery(['keys', 'list', '--all'], asAdmin)).out).toContain('revoked');
  await close();
});

test('the first key can be made through the running server', async () => {
  const { close, url } = await serve('--data-dir', join(folder, 'running'));
  expect((await fetch(`${url}/models`)).status).toBe(200);
  const place = { TUNERY_BASE_URL: url };
  const key = (await tunery(['keys', 'create'], place)).out.trim();
  expect((await fetch(`${url}/models`)).status).toBe(401);
  const headers = { authorization: `Bearer ${key}` };
  expect((await fetch(`${url}/models`, { headers })).status).toBe(200);
  expect((await tunery(['keys', 'create'], place)).code).toBe(1);
  await close();
});

test('a server for other machines does not start without a key unless it is told to', async () => {
  const open = ['--host', '0.0.0.0', '--data-dir', join(folder, 'open')];
  const refused = await tunery(['serve', '--port', '0', ...open]);
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toMatch(/keys create --data-dir.*open.*--allow-open/s);

  const { close, url } = await serve(...open, '--allow-open');
  expect((await fetch(`${url}/models`)).status).toBe(200);
  await close();
  expect((await tunery(['keys', 'create', '--data-dir', join(folder, 'open')])).code).toBe(0);
  const closed = await serve(...open);
  expect((await fetch(`${closed.url}/models`)).status).toBe(401);
});

test.each([
  [['keys', 'create', '--expires-days', 'soon'], /--expires-days/],
  [['keys', 'create', '--token-quota', '0'], /--token-quota/],
  [['keys', 'list', '--base-url', 'http://127.0.0.1:9/v1', '--data-dir', 'x'], /--data-dir/],
  [['keys', 'revoke'], /ID/],
])('%j is wrong usage and the message names it', async (args, named) => {
  const { code, err } = await tunery(args);
  expect([code, err]).toEqual([2, expect.stringMatching(named)]);
});

test('an address that was asked for is not replaced by a data directory', async () => {
  const place = { TUNERY_BASE_URL: 'http://127.0.0.1:9/v1', TUNERY_DATA_DIR: join(folder, 'not') };
  expect((await tunery(['keys', 'create'], place)).code).toBe(3);
});

test('unknown scopes are refused with their names, in Chinese too', async () => {
  const args = ['keys', 'create', '--scopes', 'read,write', '--data-dir', join(folder, 'scopes')];
  const { code, err } = await tunery([...args, '--lang', 'zh']);
  expect([code, err]).toEqual([
    1,
    expect.stringMatching(/服务器.*scopes\[1\].*'admin'|scopes\[1\]/),
  ]);
});
