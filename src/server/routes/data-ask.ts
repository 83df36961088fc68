// /tunery/v1/data/{documents,rationale,distil,generate}: rows that a model makes. A request that was cut
// off goes on where it stopped when it is sent again.
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Send } from '../../batches/batches.ts';
import type { AskSettings } from '../../data/documents/ask.ts';
import type { Distilled } from '../../data/documents/distil.ts';
import type { DocumentRows } from '../../data/documents/document-rows.ts';
import type { Generated } from '../../data/documents/generate.ts';
import type { Made } from '../../data/documents/made-rows.ts';
import type { Rationales } from '../../data/documents/rationales.ts';
import type { DataTask } from '../../jobs/data-protocol.ts';
import { runDataTask } from '../../jobs/data-tasks.ts';
import { say } from '../../messages/say.ts';
import { withAnswers } from '../data-answers.ts';
import { modelFor } from '../data-model.ts';
import { answer, type Place, readJson, stem } from '../data-work.ts';
import type { Deps } from '../deps.ts';
import { invalidValue, missingParameter } from '../errors.ts';
import { readBody } from '../read-body.ts';

const asking = {
  model: z.string().min(1),
  /** A name of TUNERY_ENDPOINTS; without it, the model is one of this server. */
  endpoint: z.string().min(1).optional(),
  max_tokens: z.int().min(16).max(1_000_000).default(1024),
  temperature: z.number().min(0).max(2).default(0.3),
  seed: z
    .union([
      z
        .int()
        .min(0)
        .max(2 ** 31 - 1),
      z.literal('none'),
    ])
    .default(1),
  parallel: z.int().min(1).max(16).default(1),
  /** Money for a million tokens. */
  price_in: z.number().min(0).default(0),
  price_out: z.number().min(0).default(0),
  /** Only says what it will take. */
  dry_run: z.boolean().default(false),
  stream: z.boolean().default(false),
};
type Body = z.output<z.ZodObject<typeof asking>>;

const id = z.string().min(1);

export const Documents = z.strictObject({
  file_id: id.optional(),
  file_ids: z.array(id).min(1).max(1000).optional(),
  questions: z.int().min(1).max(100).default(3),
  chunk: z.int().min(200).max(100_000).default(1500),
  language: z.string().min(1).optional(),
  system: z.string().optional(),
  license: z.string().min(1).optional(),
  inline: z.boolean().default(false),
  skip_unreadable: z.boolean().default(false),
  ...asking,
});

export const rows = { file_id: id, sheet: z.string().optional(), encoding: z.string().optional() };
export const Rationale = z.strictObject({ ...rows, ...asking });

export const Distil = z.strictObject({
  ...rows,
  system: z.string().optional(),
  inline: z.boolean().default(false),
  ...asking,
});

export const Generate = z.strictObject({
  topic: z.string().min(1),
  aspects: z.array(z.string().min(1)).max(1000).default([]),
  count: z.int().min(1).max(10_000).default(15),
  /** The first row shows the form. */
  like_file_id: id.optional(),
  turns: z.int().min(1).max(50).optional(),
  language: z.string().min(1).optional(),
  system: z.string().optional(),
  inline: z.boolean().default(false),
  ...asking,
  temperature: z.number().min(0).max(2).default(0.9), // rows should differ
});

export function dataAsking(deps: Deps, send: Send): Hono {
  const { config } = deps;
  const work = { deps, send };
  return new Hono()
    .post('/documents', async (c) => {
      const body = await readBody(c, Documents, config);
      const ids = idsOf(body);
      return asked(c, body, work, async (place, run) => {
        const documents: { path: string; name: string; fileId: string }[] = [];
        for (const fileId of ids) {
          const path = await place.input(
            body.file_id === undefined ? 'file_ids' : 'file_id',
            fileId,
          );
          documents.push({ path, name: nameOf(path), fileId });
        }
        const { questions, chunk, inline } = body;
        const result = (await run('documents.jsonl', (output, settings) => ({
          kind: 'documents',
          documents,
          output,
          questions,
          chunk,
          inline,
          questionLanguage: body.language ?? null,
          system: body.system ?? null,
          license: body.license ?? null,
          skipUnreadable: body.skip_unreadable,
          dryRun: body.dry_run,
          settings,
        }))) as DocumentRows | null;
        const name = ids.length === 1 ? stem(documents[0]!.path) : 'documents';
        return result && { ...result, ...(await filesOf(place, result, name, 'rows')) };
      });
    })
    .post('/rationale', async (c) => {
      const body = await readBody(c, Rationale, config);
      return asked(c, body, work, async (place, run) => {
        const path = await place.input('file_id', body.file_id);
        const { sheet, encoding } = body;
        const result = (await run('rationale.jsonl', (output, settings) => ({
          kind: 'rationale',
          ...{ path, sheet, encoding, output, settings },
          name: nameOf(path),
          dryRun: body.dry_run,
        }))) as Rationales | null;
        return result && { ...result, ...(await filesOf(place, result, stem(path), 'rationale')) };
      });
    })
    .post('/distil', async (c) => {
      const body = await readBody(c, Distil, config);
      return asked(c, body, work, async (place, run) => {
        const path = await place.input('file_id', body.file_id);
        const { sheet, encoding, inline } = body;
        const result = (await run('distil.jsonl', (output, settings) => ({
          kind: 'distil',
          ...{ path, sheet, encoding, inline, output, settings },
          name: nameOf(path),
          system: body.system ?? null,
          dryRun: body.dry_run,
        }))) as Distilled | null;
        return result && { ...result, ...(await filesOf(place, result, stem(path), 'distilled')) };
      });
    })
    .post('/generate', async (c) => {
      const body = await readBody(c, Generate, config);
      return asked(c, body, work, async (place, run) => {
        const { topic, aspects, count, inline } = body;
        const path = body.like_file_id && (await place.input('like_file_id', body.like_file_id));
        const result = (await run('generate.jsonl', (output, settings) => ({
          kind: 'generate',
          ...{ topic, aspects, count, inline, output, settings },
          like: path ? { path, name: nameOf(path) } : null,
          turns: body.turns ?? null,
          questionLanguage: body.language ?? null,
          system: body.system ?? null,
          dryRun: body.dry_run,
        }))) as Generated | null;
        return result && { ...result, ...(await filesOf(place, result, 'generated', 'rows')) };
      });
    });
}

function idsOf({ file_id, file_ids }: z.output<typeof Documents>): readonly string[] {
  if (file_id !== undefined && file_ids !== undefined)
    throw invalidValue('file_id', "'file_ids' names files already.");
  const ids = file_ids ?? (file_id === undefined ? undefined : [file_id]);
  if (ids === undefined) throw missingParameter('file_ids');
  return ids;
}

type AskingTask = Extract<DataTask, { settings: unknown }>;
type Run = (
  output: string,
  task: (output: string, settings: AskSettings) => AskingTask,
) => Promise<unknown>;

/** `use` makes the task, runs it and keeps its files; null: it was only to say what it would take. */
async function asked(
  c: Context,
  body: Body & { readonly [more: string]: unknown },
  { deps, send }: { readonly deps: Deps; readonly send: Send },
  use: (place: Place, run: Run) => Promise<object | null>,
): Promise<Response> {
  const { stream, parallel, price_in, price_out, dry_run: _, ...same } = body;
  const model = await modelFor(c, body, deps, send);
  const costOf = (used: { prompt_tokens: number; completion_tokens: number }) =>
    Number(((used.prompt_tokens * price_in + used.completion_tokens * price_out) / 1e6).toFixed(4));
  return answer(c, deps, stream, (place, { signal = new AbortController().signal }, emit) =>
    withAnswers(deps.store.directory, [c.req.path, same], async (memory) => {
      let plan: object = {};
      let cost = 0;
      const run: Run = async (name, task) => {
        const ask = model.asker(signal, (wait) => emit({ stage: 'wait', ...wait }));
        const settings: AskSettings = {
          model: body.model,
          endpoint: model.endpoint,
          maxTokens: body.max_tokens,
          temperature: body.temperature,
          seed: body.seed === 'none' ? null : body.seed,
          parallel,
          memory,
        };
        return await runDataTask(task(`${place.folder}/${name}`, settings), {
          signal,
          model: {
            ask,
            say,
            onPlan: (told) => {
              plan = { ...told, cost: costOf(told) };
              emit({ stage: 'plan', ...plan });
            },
            onTold: ({
              promptTokens: prompt_tokens,
              completionTokens: completion_tokens,
              ...told
            }) => {
              const used = { prompt_tokens, completion_tokens };
              cost = costOf(used);
              emit({ stage: 'ask', ...told, ...used, cost });
            },
          },
        });
      };
      const result = await use(place, run);
      return result === null ? { object: 'tunery.data_plan', ...plan } : { ...result, cost };
    }),
  );
}

const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** What was written, as files of this server; the manifest is part of the answer. */
async function filesOf(place: Place, made: Made, name: string, suffix: string) {
  const { output, provenance, rejected, manifest } = made;
  const kept = async (path: string | null, as: string, purpose = 'user_data') =>
    path === null ? null : await place.output(path, `${name}_${as}.jsonl`, purpose);
  return {
    output: undefined,
    file: await kept(output, suffix, 'fine-tune'),
    provenance: await kept(provenance, 'provenance'),
    rejected: await kept(rejected, 'rejected'),
    manifest: manifest === null ? null : await readJson(manifest),
  };
}
