#!/usr/bin/env node
// What the shell starts: gives run.ts the process's streams and turns signals into one AbortSignal.
import { run } from './run.ts';

const stop = new AbortController();
const onSignal = () => {
  if (stop.signal.aborted) process.exit(130); // the second Ctrl-C does not wait
  stop.abort();
};
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
if (process.connected) {
  // Started by scripts/setup.mjs: when that is gone, even by kill -9, this stops too.
  process.once('disconnect', () => stop.abort());
  process.channel?.unref();
}
// A reader that leaves early (`| head`) is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const { env, stdin, stdout, stderr } = process;
process.exitCode = await run(process.argv.slice(2), {
  env,
  stdin,
  stdout,
  stderr,
  signal: stop.signal,
});
