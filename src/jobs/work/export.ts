// Exports an adapter: as PEFT folder, merged into its base model, or as GGUF adapter.
// The output is a folder, whole or absent, and never replaces what somebody keeps in that place.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CodedError } from '../../lib/coded-error.ts';
import { mergedWeights } from '../../merge/adapter.ts';
import {
  type Adapter,
  checkAdapterFits,
  readPeftAdapter,
  writeGgufAdapter,
  writePeftAdapter,
} from '../../weights/adapter.ts';
import { syncFolder } from '../../weights/atomic-write.ts';
import { exportFolder } from '../../weights/export-folder.ts';
import { type ModelFile, openModel } from '../../weights/model-file.ts';
import type { ExportRequest, WorkerMessage } from '../protocol.ts';
import { failure } from './failure.ts';

/** Ends with `result` {path, files}, or with `fail`. */
export async function* exportModel(request: ExportRequest): AsyncGenerator<WorkerMessage> {
  const output = resolve(request.output);
  try {
    await refuseToOverwrite(output);
    const model = await openModel(request.baseModel);
    try {
      const { baseModel, ...adapter } = await readPeftAdapter(request.adapter);
      checkAdapterFits(adapter, model.config);
      yield { type: 'note', level: 'info', message: `Writing ${output}.` };
      const files = await write(request, output, model, adapter, baseModel);
      yield { type: 'result', value: { path: output, files } };
    } finally {
      await model.close();
    }
  } catch (error) {
    yield failure(error, output);
  }
}

async function write(
  request: ExportRequest,
  output: string,
  model: ModelFile,
  adapter: Adapter,
  baseName: string | null,
): Promise<string[]> {
  await fillFolder(output, (folder) => {
    if (request.format === 'gguf-adapter')
      return writeGgufAdapter(join(folder, 'adapter.gguf'), adapter, model.config);
    return request.format === 'peft'
      ? writePeftAdapter(folder, adapter, baseName ?? basename(request.baseModel))
      : exportFolder(folder, model, mergedWeights(model, adapter));
  });
  return readdirSync(output).sort();
}

/** An empty folder is taken away: it is no one's work. */
export async function refuseToOverwrite(output: string): Promise<void> {
  if (!existsSync(output)) return;
  const folder = statSync(output).isDirectory();
  if (folder && readdirSync(output).length === 0) return rmdir(output);
  throw new CodedError(
    'output_exists',
    `${output} exists${folder ? ' and is not empty' : ''}; it was not changed. Choose another output, or remove it first.`,
    { param: 'output' },
  );
}

/** Fills a folder under a temporary name, then gives it its own. */
async function fillFolder(output: string, fill: (folder: string) => Promise<void>) {
  const temporary = `${output}.${process.pid}.partial`;
  await mkdir(dirname(output), { recursive: true });
  try {
    await mkdir(temporary);
    await fill(temporary);
    await rename(temporary, output);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await syncFolder(dirname(output));
}
