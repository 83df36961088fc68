import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { Child } from './child.ts';

const connect = new URL('./child.ts', import.meta.url).href;

async function start(body: string, args: string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'tunery-child-'));
  const path = join(folder, 'entry.ts');
  await writeFile(
    path,
    `import { connectParent } from '${connect}';
     const parent = connectParent<unknown, unknown>((raw) => raw);\n${body}`,
  );
  const child = new Child<unknown, unknown>(pathToFileURL(path), { args, parse: (raw) => raw });
  const messages: unknown[] = [];
  child.onMessage((message) => messages.push(message));
  return { child, messages };
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('a child gets its arguments and answers messages, numbers that JSON lacks included', async () => {
  const { child, messages } = await start(
    'parent.onMessage((m) => parent.send([m, process.argv[2], NaN]));',
    ['argument'],
  );
  child.send({ a: 1 });
  await until(() => messages.length === 1);
  expect(messages).toEqual([[{ a: 1 }, 'argument', Number.NaN]]);
  expect(await child.close()).toMatchObject({ code: 0, signal: null });
});

test('every message sent before the exit arrives before `exited` settles', async () => {
  const { child, messages } = await start(
    'for (let i = 0; i < 500; i++) parent.send(i); await parent.send(500); process.exit(3);',
  );
  expect(await child.exited).toMatchObject({ code: 3 });
  expect(messages).toHaveLength(501);
});

test('the end of the error output is kept for the report', async () => {
  const { child } = await start("throw new Error('disk on fire');");
  const exit = await child.exited;
  expect(exit.code).toBe(1);
  expect(exit.stderr).toContain('disk on fire');
});

test('a child that does not leave in time is killed', async () => {
  const { child, messages } = await start(
    "process.removeAllListeners('disconnect'); setInterval(() => {}, 1000); parent.send('up');",
  );
  await until(() => messages.length === 1);
  expect(await child.close(100)).toMatchObject({ signal: 'SIGKILL' });
  child.send('to nobody');
});

test('kill -9 is reported as the signal', async () => {
  const { child, messages } = await start("setInterval(() => {}, 1000); parent.send('up');");
  await until(() => messages.length === 1);
  process.kill(child.pid!, 'SIGKILL');
  expect(await child.exited).toMatchObject({ code: null, signal: 'SIGKILL' });
  expect(child.running).toBe(false);
});

test('a missing entry is an exit with a report, not an exception', async () => {
  const child = new Child(new URL('file:///nowhere/entry.ts'), { parse: (raw) => raw });
  expect((await child.exited).stderr).toContain('entry.ts');
});
