import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { expect, test } from 'vitest';

const RANKS =
  'lib messages < tensor tokenizer store < runtime nn optim weights data graders moderate < models' +
  ' < train serve merge evaluate < jobs knowledge batches < server < cli';
const rank = (folder: string) =>
  RANKS.split('<').findIndex((row) => row.trim().split(' ').includes(folder));

// Lower, yet forbidden: the engine and a job's child know no SQL, the server's process no tensors.
const WORK = 'jobs/work(er)?[./]';
const TENSORS = '(tensor|runtime|nn|optim|weights|models|train|merge|evaluate)/';
const HOST = 'serve/(host|llama)[.]';
const NEVER = [
  [`^(${TENSORS}|data/|serve/|${WORK})`, '^store/'],
  [
    `^(?!${WORK})(jobs|knowledge|batches|server|cli|serve/client)[./]`,
    `^(${TENSORS}|${WORK}|${HOST})`,
  ],
].map((pair) => pair.map((pattern) => new RegExp(pattern)));

test('every import points to a lower rank', () => {
  const wrong: string[] = [];
  let imports = 0;
  for (const file of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!/\/.*(?<!\.test)\.ts$/.test(file) || file.startsWith('testing/')) continue;
    const source = readFileSync(join('src', file), 'utf8');
    for (const [, path] of source.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
      imports += 1;
      const target = join(dirname(file), path!);
      const [from, to] = [file.split('/')[0]!, target.split('/')[0]!];
      const upward = to !== from && (rank(to) < 0 || rank(to) >= rank(from));
      const never = NEVER.some(([a, b]) => a!.test(file) && b!.test(target));
      if (upward || never) wrong.push(`${file} → ${target}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(imports).toBeGreaterThan(50); // an empty scan would pass anything
});
