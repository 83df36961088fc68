import { writeFile } from 'node:fs/promises';
// biome-ignore lint/correctness/noUnresolvedImports: a Node module that Biome's list does not have yet
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { isDiskFull } from '../lib/disk-full.ts';
import { toWire } from './errors.ts';

const errorOf = (work: () => unknown) =>
  Promise.resolve()
    .then(work)
    .catch((error: unknown) => error);

test.skipIf(process.platform !== 'linux')(
  'a full device is a full disk, also as a cause',
  async () => {
    const error = await errorOf(() => writeFile('/dev/full', 'x'));
    expect([error, new Error('while writing', { cause: error })].map(isDiskFull)).toEqual([
      true,
      true,
    ]);
  },
);

test('a full SQLite file is one, a table that is missing is not', async () => {
  const database = new DatabaseSync(':memory:');
  database.exec('pragma max_page_count = 2; create table t (x)');
  const full = await errorOf(() => database.exec('insert into t values (zeroblob(99999))'));
  const other = await errorOf(() => database.exec('insert into nowhere values (1)'));
  expect([full, other, null].map(isDiskFull)).toEqual([true, false, false]);
});

test('the full disk of the database is told to the client with a code', () => {
  const error = Object.assign(new Error('could not extend file'), { code: '53100' });
  expect(toWire(error)).toMatchObject({ status: 507, body: { error: { code: 'disk_full' } } });
});

test('a file that the system allows nobody to write is told so, and is no fault of the client', () => {
  const error = Object.assign(new Error('EFBIG: file too large, write'), { code: 'EFBIG' });
  expect(toWire(error)).toMatchObject({ status: 507, body: { error: { code: 'file_too_large' } } });
});
