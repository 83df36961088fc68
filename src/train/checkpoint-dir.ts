// Checkpoints on disk: what a run resumes from. Each is one folder, `step-N`, that appears whole or
// not at all and is believed only when the checksums of its files are right. The last two are kept.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { AdamWState } from '../optim/adamw.ts';
import { syncFolder, writeTextAtomically } from '../weights/atomic-write.ts';
import { openSafetensors, writeSafetensors } from '../weights/safetensors.ts';

export type Tensors = ReadonlyMap<string, Float32Array>;
/** Random numbers are functions of (seed, purpose, step): the step is the whole random state. */
export type Checkpoint = {
  /** What is being trained, on what, how; a checkpoint of anything else is not resumed from. */
  readonly run: string;
  readonly params: Tensors;
  /** Its `step` is also the cursor in the data: epoch and batch follow from it. */
  readonly optimizer: AdamWState;
  /** The caller's own record, JSON. */
  readonly record: unknown;
};

const KEPT = 2; // the newest may turn out damaged
const MANIFEST = 'manifest.json';
const Manifest = z.strictObject({
  run: z.string(),
  step: z.int().min(0),
  record: z.unknown(),
  sha256: z.record(z.string(), z.string()),
});

export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  const { run, params, optimizer, record } = checkpoint;
  const { step } = optimizer;
  const partial = join(folder, `.step-${step}.partial`);
  const target = join(folder, `step-${step}`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    const groups = { params, m: optimizer.m, v: optimizer.v };
    const sha256: Record<string, string> = {};
    for (const [name, tensors] of Object.entries(groups)) {
      const path = join(partial, `${name}.safetensors`);
      await writeSafetensors(path, [...tensors].map(flat));
      sha256[`${name}.safetensors`] = await digest(path);
    }
    const body = JSON.stringify({ run, step, record, sha256 });
    await writeTextAtomically(join(partial, MANIFEST), `${textDigest(body)}\n${body}\n`);
    await syncFolder(partial);
    await rm(target, { recursive: true, force: true });
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(folder);
  for (const old of (await steps(folder)).slice(KEPT))
    await rm(join(folder, `step-${old}`), { recursive: true, force: true });
}

/** Removes what cannot be used; `notes` say what and why. */
export async function newestCheckpoint(
  folder: string,
  run: string,
): Promise<{ readonly checkpoint: Checkpoint | null; readonly notes: readonly string[] }> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder))
    if (name.endsWith('.partial')) await rm(join(folder, name), { recursive: true, force: true });
  const notes: string[] = [];
  for (const step of await steps(folder)) {
    const path = join(folder, `step-${step}`);
    try {
      return { checkpoint: await readCheckpoint(path, run), notes };
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      notes.push(`The checkpoint of step ${step} cannot be used: ${error.message}`);
      await rm(path, { recursive: true, force: true });
    }
  }
  return { checkpoint: null, notes };
}

class DamagedError extends Error {}

async function readCheckpoint(path: string, run: string): Promise<Checkpoint> {
  const manifest = await readManifest(join(path, MANIFEST));
  if (manifest.run !== run) throw new DamagedError('it belongs to a run with other settings.');
  const group = (name: string) =>
    readTensors(join(path, `${name}.safetensors`), manifest.sha256[`${name}.safetensors`]);
  const [params, m, v] = [await group('params'), await group('m'), await group('v')];
  return { run, params, optimizer: { step: manifest.step, m, v }, record: manifest.record };
}

async function readManifest(path: string) {
  const text = await readFile(path, 'utf8').catch(missingIsDamaged);
  const [checksum, body] = text.split('\n');
  if (body === undefined || textDigest(body) !== checksum)
    throw new DamagedError('its manifest does not have the recorded checksum.');
  return Manifest.parse(JSON.parse(body));
}

async function readTensors(path: string, sha256: string | undefined): Promise<Tensors> {
  if ((await digest(path).catch(missingIsDamaged)) !== sha256)
    throw new DamagedError(`${path} does not have the recorded checksum.`);
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, Float32Array>();
    for (const name of file.entries.keys()) tensors.set(name, await file.tensor(name));
    return tensors;
  } finally {
    await file.close();
  }
}

function missingIsDamaged(error: NodeJS.ErrnoException): never {
  // An unreadable disk is not a reason to throw work away.
  if (error.code !== 'ENOENT') throw error;
  throw new DamagedError('a file of it is missing.');
}

/** Steps of the checkpoints, newest first. */
async function steps(folder: string): Promise<number[]> {
  const found = (await readdir(folder)).map((name) => /^step-(\d+)$/.exec(name)?.[1]);
  return found
    .filter((step) => step !== undefined)
    .map(Number)
    .sort((a, b) => b - a);
}

const flat = ([name, data]: [string, Float32Array]) => ({
  name,
  shape: [data.length],
  dtype: 'F32' as const,
  bytes: async () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

const textDigest = (text: string) => createHash('sha256').update(text).digest('hex');

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
