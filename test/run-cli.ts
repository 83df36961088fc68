// Runs the command line inside the test's own process: quick, and with the streams in hand.
import { Readable, Writable } from 'node:stream';
import { run } from '../src/cli/run.ts';

export type Ran = { readonly code: number; readonly out: string; readonly err: string };

export async function runCli(
  args: readonly string[],
  {
    input = '',
    signal = new AbortController().signal,
  }: { input?: string; signal?: AbortSignal } = {},
): Promise<Ran> {
  const out = new Kept();
  const err = new Kept();
  const code = await run(args, {
    env: {},
    stdin: Readable.from([Buffer.from(input)]),
    stdout: out,
    stderr: err,
    signal,
  });
  return { code, out: out.text, err: err.text };
}

class Kept extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
