// A Python with one version of the official package, for tests through real clients of its time. It is
// installed once, under node_modules/.cache, by pip; without Python or network there is none.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Program } from '../program.ts';

export type Python = {
  readonly run: (args: readonly string[], options?: RunOptions) => Program;
};
type RunOptions = { readonly env?: Record<string, string>; readonly input?: string };

const run = promisify(execFile);

/** Null where it cannot be had; the reason is printed. `TUNERY_PYTHON_<version>` with underscores may
 *  name a Python that has the package. */
export async function pythonWithOpenai(version: string): Promise<Python | null> {
  const given = process.env[`TUNERY_PYTHON_${version.replaceAll('.', '_')}`];
  if (given) return { run: (args, options) => new Program(given, args, options) };
  // Without saying so in its package, 0.x decodes embeddings with numpy.
  const more = version.startsWith('0.') ? ['numpy'] : [];
  return await pythonWith([`openai-${version}`, ...more].join('-'), [
    `openai==${version}`,
    ...more,
  ]);
}

/** As above, with any packages; `name` tells one set of them from another. */
export async function pythonWith(
  name: string,
  packages: readonly string[],
): Promise<Python | null> {
  const folder = resolve('node_modules', '.cache', `python-${name}`);
  try {
    if (!existsSync(folder)) await install(packages, folder);
  } catch (error) {
    const [reason] = String((error as { stderr?: string }).stderr || error)
      .trim()
      .split('\n')
      .slice(-1);
    console.warn(`No Python with ${packages.join(', ')}, so its tests are skipped: ${reason}`);
    return null;
  }
  return {
    run: (args, { env = {}, ...options } = {}) =>
      new Program(PYTHON, args, { ...options, env: { ...env, PYTHONPATH: folder } }),
  };
}

const PYTHON = process.platform === 'win32' ? 'python' : 'python3';

/** Under its name only when it is whole: another test file may install at the same time. */
async function install(packages: readonly string[], folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const partial = await mkdtemp(`${folder}-`);
  try {
    const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await run(PYTHON, [...args, '--target', join(partial, 'packages'), ...packages], {
      timeout: 300_000,
    });
    await rename(join(partial, 'packages'), folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
