// Prepare as the server runs it: in a child, with the same result as on the command line.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { PrepareTask } from '../data-protocol.ts';
import { runDataTask } from '../data-tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'tunery-prepare-task-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function task(content: string, given: Partial<PrepareTask> = {}): PrepareTask {
  const path = join(folder, 'table.csv');
  writeFileSync(path, content);
  return {
    kind: 'prepare',
    path,
    output: join(folder, 'made'),
    fix: false,
    prompt: null,
    completion: null,
    to: null,
    system: null,
    where: [],
    sample: null,
    seed: 42,
    names: {},
    language: 'en',
    ...given,
  };
}

test('a child prepares a table, reports, and keeps the conversation', async () => {
  const report = await runDataTask(task('question,answer\nwho,me\nwhere,here\nwhen,now\n'));
  expect(report).toMatchObject({
    rows: { read: 3, written: 3, changed: 3 },
    outputs: [{ path: join(folder, 'made_prepared.jsonl'), rows: 3 }],
    separator: ' ->',
    stop: '\n',
  });
  expect((report as { transcript: string }).transcript).toContain('[Recommended]');
  const [first] = readFileSync(join(folder, 'made_prepared.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(first!)).toEqual({ prompt: 'who ->', completion: ' me\n' });
});

test('what is wrong with the table arrives as an error with its code', async () => {
  await expect(runDataTask(task('x,y,z\n1,2,3\n'))).rejects.toMatchObject({
    code: 'mapping_unclear',
    param: 'file',
  });
  await expect(runDataTask(task('a,b\n1,2\n', { where: ['nonsense'] }))).rejects.toMatchObject({
    code: 'invalid_value',
    param: 'where',
  });
});
