// A store in a folder of its own that goes when the test ends.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { newId } from '../lib/id.ts';
import { type FileRow, saveFile } from '../store/files.ts';
import { openStore, type Store } from '../store/store.ts';

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export async function temporaryStore(): Promise<Store> {
  const folder = await temporaryFolder();
  const store = await openStore(join(folder, 'data'));
  onTestFinished(() => store.close());
  return store;
}

export async function addFile(
  { database, blobs }: Store,
  text: string,
  purpose = 'fine-tune',
): Promise<FileRow> {
  const received = await blobs.receive(
    (async function* () {
      yield Buffer.from(text);
    })(),
  );
  const file = {
    id: newId('file-'),
    created_at: 0,
    expires_at: null,
    filename: 'a.jsonl',
    purpose,
  };
  return await saveFile(database, blobs, file, received);
}
