import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { addFile, temporaryFolder, temporaryStore } from '../testing/temporary-store.ts';
import { openDatabase } from './database.ts';
import { deleteFile, getFile, listFiles } from './files.ts';
import { migrate } from './migrate.ts';
import { openStore } from './store.ts';

const writer = fileURLToPath(new URL('../testing/store-writer.ts', import.meta.url));

test('a second server on the same data directory is refused and told who has it', async () => {
  const store = await temporaryStore();
  await expect(openStore(store.directory)).rejects.toMatchObject({
    code: 'data_directory_in_use',
    message: expect.stringContaining(`process ${process.pid}`),
  });
});

test('a data directory that cannot be made is refused with what to do', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'file'), '');
  await expect(openStore(join(folder, 'file', 'data'))).rejects.toMatchObject({
    code: 'data_directory_not_writable',
    message: expect.stringContaining('choose another --data-dir'),
  });
});

test.skipIf(process.platform !== 'linux')('neither is one in a place that takes none', async () => {
  const refused = expect(openStore('/proc/tunery/data')).rejects;
  await refused.toMatchObject({ code: 'data_directory_not_writable' });
});

test('the database that ships with the package has the tables of all migrations', async () => {
  const COLUMNS =
    "select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns where table_schema = 'public' order by 1, 2";
  const { database } = await temporaryStore();
  const fresh = await openDatabase('memory://');
  await migrate(fresh);
  expect(await database.query(COLUMNS)).toEqual(await fresh.query(COLUMNS));
  await fresh.close();
});

test('kill -9 loses nothing that was acknowledged and leaves no lock behind', async () => {
  const directory = join(await temporaryFolder(), 'data');
  let acknowledged: string[] = [];
  for (let round = 0; round < 2; round++) {
    const child = fork(writer, [directory]);
    child.on('message', (id) => acknowledged.push(String(id)));
    const enough = acknowledged.length + 20;
    while (acknowledged.length < enough) await once(child, 'message');
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  const store = await openStore(directory);
  onTestFinished(() => store.close());
  const { data } = await listFiles(store.database.query, { limit: 10_000 });
  const kept = new Set(data.map(({ id }) => id));
  acknowledged = acknowledged.filter((id) => !kept.has(id));
  expect(acknowledged).toEqual([]);
  for (const { sha256 } of data) expect(existsSync(store.blobs.path(sha256))).toBe(true);
});

test('files with the same bytes share them until the last one goes', async () => {
  const store = await temporaryStore();
  const { database, blobs } = store;
  const [first, second] = [await addFile(store, 'same'), await addFile(store, 'same')];
  expect(await deleteFile(database, blobs, first.id)).toBe(true);
  expect(existsSync(blobs.path(second.sha256))).toBe(true);
  expect(await deleteFile(database, blobs, second.id)).toBe(true);
  expect(existsSync(blobs.path(second.sha256))).toBe(false);
  expect(await deleteFile(database, blobs, second.id)).toBe(false);
  expect(await getFile(database.query, second.id)).toBe(null);
});

test('an upload that breaks off leaves nothing on disk', async () => {
  const { blobs, directory } = await temporaryStore();
  const broken = blobs.receive(
    (async function* () {
      yield Buffer.from('half');
      throw new Error('gone');
    })(),
  );
  await expect(broken).rejects.toThrow('gone');
  expect(await readdir(join(directory, 'files', 'incoming'))).toEqual([]);
});

test('file lists page in both orders and by purpose', async () => {
  const store = await temporaryStore();
  const { query } = store.database;
  const ids: string[] = [];
  for (const purpose of ['fine-tune', 'batch', 'fine-tune']) {
    ids.push((await addFile(store, purpose, purpose)).id);
  }
  const idsOf = async (page: Parameters<typeof listFiles>[1], purpose?: string) =>
    (await listFiles(query, page, purpose)).data.map(({ id }) => id);
  expect(await idsOf({ limit: 9, order: 'asc' })).toEqual(ids);
  expect(await idsOf({ limit: 9 })).toEqual(ids.toReversed());
  expect(await idsOf({ limit: 9 }, 'fine-tune')).toEqual([ids[2], ids[0]]);
  expect(await idsOf({ limit: 9, after: ids[1]!, order: 'asc' })).toEqual([ids[2]]);
  expect(await listFiles(query, { limit: 0 })).toEqual({ data: [], hasMore: true });
});
