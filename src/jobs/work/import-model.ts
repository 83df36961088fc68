// Imports a Hugging Face folder as a base model: one GGUF file.
import { resolve } from 'node:path';
import { importFolder } from '../../weights/import-folder.ts';
import type { ImportRequest, WorkerMessage } from '../protocol.ts';
import { refuseToOverwrite } from './export.ts';
import { failure } from './failure.ts';

/** Ends with `result` {path, architecture, parameters, contextLength}, or with `fail`. */
export async function* importModel(request: ImportRequest): AsyncGenerator<WorkerMessage> {
  const output = resolve(request.output);
  try {
    await refuseToOverwrite(output);
    yield { type: 'note', level: 'info', message: `Converting ${request.source} to ${output}.` };
    const { parameterCount, config } = await importFolder(request.source, output);
    const { architecture, contextLength } = config;
    yield {
      type: 'result',
      value: { path: output, architecture, parameters: parameterCount, contextLength },
    };
  } catch (error) {
    yield failure(error, output);
  }
}
