// Lists of files while files come and go, and what a file object has and has not.
import { access } from 'node:fs/promises';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { getFile } from '../store/files.ts';
import { countingApp } from '../testing/counting-app.ts';
import { addFile, temporaryStore } from '../testing/temporary-store.ts';

const clientOf = (app: ReturnType<typeof countingApp>) =>
  new OpenAI({
    apiKey: 'sk-test',
    baseURL: 'http://localhost/v1',
    maxRetries: 0,
    fetch: async (url, init) => app.request(String(url), init),
  });

test('who deletes each file of a list, page by page, visits every file', async () => {
  const store = await temporaryStore();
  const { files } = clientOf(countingApp({ store }));
  for (let i = 0; i < 5; i++) await addFile(store, String(i), 'vision');
  const kept = await addFile(store, 'kept', 'batch');
  for (const order of ['desc', 'asc'] as const) {
    let visited = 0;
    for await (const { id } of files.list({ limit: 2, order, purpose: 'vision' })) {
      await files.delete(id);
      visited += 1;
    }
    expect(visited).toBe(5);
    for (let i = 0; i < 5; i++) await addFile(store, String(i), 'vision');
  }
  await files.delete(kept.id);
  expect((await files.list({ after: kept.id, order: 'asc' })).data).toHaveLength(5);
  await expect(files.list({ after: 'file-none' })).rejects.toMatchObject({
    status: 400,
    param: 'after',
  });
});

test('files that come while a list is paged through are not in its later pages', async () => {
  const store = await temporaryStore();
  const { files } = clientOf(countingApp({ store }));
  const first = [await addFile(store, 'a'), await addFile(store, 'b'), await addFile(store, 'c')];
  const visited: string[] = [];
  for await (const { id } of files.list({ limit: 1 })) {
    visited.push(id);
    await addFile(store, 'later');
  }
  expect(visited).toEqual(first.map(({ id }) => id).toReversed());
});

test('a file whose life is over is gone everywhere at once, with its bytes', async () => {
  const store = await temporaryStore();
  let now = Date.UTC(2026, 0, 1);
  const app = countingApp({ store, now: () => now });
  const upload = async () => {
    const body = new FormData();
    body.append('purpose', 'batch');
    body.append('expires_after[anchor]', 'created_at');
    body.append('expires_after[seconds]', '3600');
    body.append('file', new File([`{"custom_id":"${now}"}`], 'in.jsonl'));
    const response = await app.request('/v1/files', { method: 'POST', body });
    return ((await response.json()) as { id: string }).id;
  };
  const refusal = async (path: string, body: object) => {
    const response = await app.request(path, { method: 'POST', body: JSON.stringify(body) });
    return ((await response.json()) as { error: { message: string } }).error.message;
  };
  const bytes = async () => (await getFile(store.database.query, await upload()))!.sha256;
  const sha256 = await bytes();
  const [forBatch, forData] = [await upload(), await upload()];
  now += 3_600_000;
  expect(
    await refusal('/v1/batches', {
      input_file_id: forBatch,
      endpoint: '/v1/completions',
      completion_window: '24h',
    }),
  ).toContain(forBatch);
  const again = await upload();
  now += 3_600_000;
  expect(await refusal('/tunery/v1/data/check', { file_id: again })).toMatch(/No such File/);
  expect(await getFile(store.database.query, forData)).toBeNull();
  await expect(access(store.blobs.path(sha256))).rejects.toThrow('ENOENT');
});

test('a name that is too long for a disk is no trouble for the data tools', async () => {
  const app = countingApp({ store: await temporaryStore() });
  const body = new FormData();
  const name = `${'数据'.repeat(120)}.jsonl`;
  body.append('purpose', 'fine-tune');
  body.append('file', new File(['{"prompt":"a","completion":"b"}\n'], name));
  const uploaded = await app.request('/v1/files', { method: 'POST', body });
  const file = (await uploaded.json()) as { id: string; filename: string };
  expect(file.filename).toBe(name);
  const response = await app.request('/tunery/v1/data/transform', {
    method: 'POST',
    body: JSON.stringify({ file_id: file.id, steps: [{ do: 'shuffle' }] }),
  });
  expect([response.status, await response.json()]).toMatchObject([200, { files: [{ bytes: 32 }] }]);
});

test('a file that stays has no `expires_at`, and one nested field in the wrong form is refused', async () => {
  const app = countingApp({ store: await temporaryStore() });
  const upload = async (more: Record<string, string>) => {
    const body = new FormData();
    for (const [name, value] of Object.entries({ purpose: 'user_data', ...more }))
      body.append(name, value);
    body.append('file', new File(['text'], 'a.txt'));
    const response = await app.request('/v1/files', { method: 'POST', body });
    return (await response.json()) as { error?: { param: string } };
  };
  expect(await upload({})).not.toHaveProperty('expires_at');
  const whole = JSON.stringify({ anchor: 'created_at', seconds: 3600 });
  expect((await upload({ expires_after: whole })).error?.param).toBe('expires_after');
});
