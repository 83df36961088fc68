import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { FreeCores } from './free-cores.ts';

test('cores that other processes keep busy are not free, but one always is', async () => {
  const cores = cpus().length;
  const free = new FreeCores(cores);
  const busy = cpus().map(() => spawn(process.execPath, ['-e', 'for(;;);']));
  onTestFinished(() => {
    free.close();
    for (const child of busy) child.kill('SIGKILL');
  });
  await sleep(3000);
  expect(free.count()).toBeLessThan(Math.max(2, cores));
  expect(new FreeCores(1).count()).toBe(1);
});
