import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { countingApp } from '../testing/counting-app.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { connect } from './client.ts';
import { uploadInParts } from './upload-in-parts.ts';

test('a large file arrives as it is, and one with a bad row leaves nothing behind', async () => {
  const store = await temporaryStore();
  const app = countingApp({ store });
  const cli = { say: (key: string) => key, env: {}, signal: new AbortController().signal };
  const client = connect(cli as never, 'http://localhost/v1', async (url, init) =>
    app.request(url, init),
  );
  const text = '{"prompt":"a","completion":"b"}\n'.repeat(20);
  const send = (content: string) =>
    uploadInParts(client, new Blob([content]), { filename: 'r.jsonl', purpose: 'fine-tune' }, 100);
  const file = await send(text);
  expect(file).toMatchObject({ filename: 'r.jsonl', bytes: text.length, purpose: 'fine-tune' });
  const content = await client.raw(`/files/${file.id}/content`);
  expect(await content.text()).toBe(text);
  await expect(send(`${text}{}\n`)).rejects.toThrow('error.api_param');
  expect(await readdir(join(store.directory, 'uploads'))).toEqual([]);
});
