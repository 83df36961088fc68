// /tunery/v1: what the original API has no words for. Paths are the server's own, so that these calls
// are for users of this machine.
import { mkdir, readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { Hono } from 'hono';
import { z } from 'zod';
import { CodedError } from '../../lib/coded-error.ts';
import { newId } from '../../lib/id.ts';
import { say } from '../../messages/say.ts';
import type { Deps } from '../deps.ts';
import { forbidden, invalidValue } from '../errors.ts';
import { usableModel } from '../generate.ts';
import { readBody } from '../read-body.ts';

export const ImportModel = z.looseObject({
  /** A GGUF file or a Hugging Face folder. */
  source: z.string().min(1),
});

export const ExportModel = z.looseObject({
  model: z.string().min(1),
  format: z.enum(['peft', 'merged', 'gguf-adapter']),
  /** A folder that does not exist or is empty; absent: one in the data directory. */
  output: z.string().min(1).optional(),
});

export function tunery(deps: Deps): Hono {
  const { jobs, config, store } = deps;
  return new Hono()
    .use(async (_, next) => {
      if (!config.loopbackOnly)
        throw forbidden(
          'Import and export take paths of the server; they work on a loopback --host only.',
        );
      await next();
    })
    .post('/models/import', async (c) => {
      const { source } = await readBody(c, ImportModel, config);
      if (!isAbsolute(source))
        throw invalidValue('source', `expected an absolute path; got '${source}'.`);
      const id = await jobs.importModel(source, c.req.raw.signal);
      return c.json({ id, object: 'model' });
    })
    .post('/export', async (c) => {
      const body = await readBody(c, ExportModel, config);
      await usableModel(body.model, deps);
      const output = body.output ?? join(store.directory, 'exports', newId(`${body.format}-`, 8));
      await requireEmpty(output);
      await jobs.exportModel(body.model, body.format, output, c.req.raw.signal);
      const files = (await readdir(output)).sort();
      return c.json({
        object: 'tunery.export',
        model: body.model,
        format: body.format,
        output,
        files,
      });
    });
}

async function requireEmpty(output: string): Promise<void> {
  if (!isAbsolute(output))
    throw invalidValue('output', `expected an absolute path; got '${output}'.`);
  try {
    await mkdir(output, { recursive: true });
    if ((await readdir(output)).length === 0) return;
  } catch (error) {
    throw new CodedError(
      'output_not_writable',
      say('refusal.output_not_writable', { output, reason: (error as Error).message }),
      {
        param: 'output',
        cause: error,
      },
    );
  }
  throw invalidValue('output', say('refusal.output_not_empty', { output }));
}
