// Work on weights that belongs to no job: converting a folder to GGUF, exporting an adapter. Each runs
// in a child of its own, in a folder that goes afterwards.
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CodedError } from '../lib/coded-error.ts';
import { newId } from '../lib/id.ts';
import { say } from '../messages/say.ts';
import { getModel } from '../store/models.ts';
import type { Store } from '../store/store.ts';
import type { Convert } from './base-models.ts';
import type { Jobs } from './jobs.ts';
import { Crashed, type Launch, type Work } from './launcher/launch.ts';
import { type ModelRegistry, modelNotFound } from './models.ts';
import type { ExportRequest, ImportRequest } from './protocol.ts';

export const convertWith =
  (launch: Launch, dataDirectory: string): Convert =>
  async (source, output, signal) => {
    await rm(output, { force: true }); // what a killed import may have left; the child would refuse
    const request: ImportRequest = { source, output };
    await finish(launch, dataDirectory, { kind: 'import-model', request }, signal);
  };

export const exportWith =
  (launch: Launch, store: Store, models: ModelRegistry): Jobs['exportModel'] =>
  async (id, format, output, signal) => {
    const row = await getModel(store.database.query, id);
    if (row === null) {
      if ((await models.get(id)) === null) throw modelNotFound(id);
      const message = say('refusal.nothing_to_export', { id });
      throw new CodedError('nothing_to_export', message, { param: 'model' });
    }
    const resolved = await models.resolve(id);
    if (resolved === null) throw modelNotFound(id);
    const adapter = join(store.directory, row.adapter);
    const request: ExportRequest = {
      baseModel: resolved.base,
      adapter,
      format,
      output: resolve(output),
    };
    await finish(launch, store.directory, { kind: 'export', request }, signal);
  };

async function finish(
  launch: Launch,
  dataDirectory: string,
  work: Omit<Work, 'directory'>,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  const directory = join(dataDirectory, 'work', newId(''));
  try {
    for await (const message of launch({ ...work, directory }, signal)) {
      if (message.type !== 'fail') continue;
      throw new CodedError(message.code, message.message, { param: message.param });
    }
  } catch (error) {
    if (!(error instanceof Crashed)) throw error;
    const text = say('refusal.worker_crashed', { crash: error.message });
    throw new CodedError('worker_crashed', text, { status: 500, cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
