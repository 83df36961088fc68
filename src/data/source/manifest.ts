// How an output was made: inputs with their hashes, steps and seed. Paths are relative to the manifest,
// so that the folder may move; there is no time in it, so that it repeats.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { CodedError } from '../../lib/coded-error.ts';
import { say } from '../../messages/say.ts';
import { statOf } from '../read-table/source.ts';
import { type Written, writeTextTo } from './write-rows.ts';

export type ManifestInput = {
  readonly path: string;
  readonly sha256: string;
  readonly rows: number;
  readonly [more: string]: unknown;
};

/** Where the manifest of an output is, and how it names a path. */
export const manifestOf = (output: string) => {
  const path = `${output}.manifest.json`;
  const folder = dirname(path);
  return { path, local: (file: string) => relative(folder, resolve(file)) || basename(file) };
};

/** Returns its path. */
export async function writeManifest(
  output: string,
  {
    seed,
    steps,
    inputs,
    outputs,
  }: {
    readonly seed: number | null;
    readonly steps: readonly object[];
    readonly inputs: readonly ManifestInput[];
    readonly outputs: readonly Written[];
  },
): Promise<string> {
  const { path, local } = manifestOf(output);
  const manifest = {
    object: 'tunery.data_manifest',
    seed,
    steps,
    inputs: inputs.map((input) => ({ ...input, path: local(input.path) })),
    outputs: outputs.map(({ path: written, rows, bytes, sha256 }) => ({
      path: local(written),
      rows,
      bytes,
      sha256,
    })),
  };
  await writeTextTo(path, `${JSON.stringify(manifest, null, 2)}\n`);
  return path;
}

export async function sha256Of(path: string): Promise<string> {
  if ((await statOf(path)).isDirectory())
    throw new CodedError('invalid_value', say('refusal.folder', { path }), { param: 'file' });
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
