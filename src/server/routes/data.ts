// /tunery/v1/data: the data tools on uploaded files. The work is done in a child process; with
// `stream: true` its progress comes as events, the result last.

import { basename, join } from 'node:path';
import { Hono } from 'hono';
import { z } from 'zod';
import { SHAPES } from '../../data/convert/shapes.ts';
import { TARGETS } from '../../data/convert/write.ts';
import { TABLE_FORMATS } from '../../data/read-table/table.ts';
import { writeTextTo } from '../../data/source/write-rows.ts';
import { Step } from '../../data/transform/steps.ts';
import type { DataTask } from '../../jobs/data-protocol.ts';
import { runDataTask } from '../../jobs/data-tasks.ts';
import { answer, readJson, stem } from '../data-work.ts';
import type { Deps } from '../deps.ts';
import { invalidValue } from '../errors.ts';
import { usableModel } from '../generate.ts';
import { readBody } from '../read-body.ts';

const reading = {
  file_id: z.string().min(1),
  sheet: z.string().optional(),
  encoding: z.string().optional(),
  /** Progress as events. */
  stream: z.boolean().default(false),
};
const model = z.string().min(1).optional();
const contextLength = z.int().min(8).optional();
const seed = z
  .int()
  .min(0)
  .max(2 ** 31)
  .default(1);

export const Check = z.strictObject({
  ...reading,
  validation_file_id: z.string().min(1).optional(),
  model,
  context_length: contextLength,
  near_duplicates: z.boolean().default(true),
  /** Rows that the classifier of unsafe content reads. */
  screen: z.int().min(0).default(20_000),
  /** 'auto': what needs no asking; a list: these codes besides. Makes a new file. */
  fix: z.union([z.literal('auto'), z.array(z.string())]).optional(),
  /** Texts for placeholders, filled in with `fix`. */
  fill: z.record(z.string(), z.string()).default({}),
  language: z.enum(['en', 'zh-CN']).default('en'),
});

export const Preview = z.strictObject({
  ...reading,
  model: z.string().min(1),
  context_length: contextLength,
  rows: z.array(z.int().min(1)).min(1).max(1000).optional(),
  count: z.int().min(1).max(1000).default(3),
});

export const Convert = z.strictObject({
  ...reading,
  to: z.enum(TARGETS),
  from: z.enum(SHAPES).optional(),
  system: z.string().optional(),
  separator: z.string().default('\n\n###\n\n'),
  stop: z.string().default(''),
  fill: z.record(z.string(), z.string()).default({}),
  replace: z.array(z.tuple([z.string().min(1), z.string()])).default([]),
  keys: z.record(z.string(), z.string()).default({}),
  sample: z.int().min(1).optional(),
  seed,
  skip_bad: z.boolean().default(false),
});

export const Transform = z.strictObject({
  ...reading,
  /** As in a recipe; `mix` names `file_id` instead of a path. */
  steps: z.array(z.looseObject({ do: z.string() })).min(1),
  seed,
});

export const Overlap = z.strictObject({ ...reading, other_file_id: z.string().min(1) });

const partSource = z.union([
  z.strictObject({ column: z.string().min(1) }),
  z.strictObject({ template: z.string().min(1) }),
]);

export const Prepare = z.strictObject({
  ...reading,
  format: z.enum(TABLE_FORMATS).optional(),
  /** Repairs what the messages name; rows that cannot be read go to a file of their own. */
  fix: z.boolean().default(false),
  prompt: partSource.optional(),
  completion: partSource.optional(),
  to: z.enum(['completion', 'chat']).optional(),
  system: z.string().optional(),
  where: z.array(z.string()).default([]),
  sample: z.int().min(1).optional(),
  seed: seed.default(42),
  name: z.string().optional(),
  author: z.string().optional(),
  language: z.enum(['en', 'zh-CN']).default('en'),
});

export function dataTools(deps: Deps): Hono {
  const { config } = deps;
  return new Hono()
    .post('/check', async (c) => {
      const body = await readBody(c, Check, config);
      return answer(c, deps, body.stream, async (place, progress) => {
        const { file_id, validation_file_id: validId, fix } = body;
        const path = await place.input('file_id', file_id);
        const valid =
          validId === undefined ? null : await place.input('validation_file_id', validId);
        const base = body.model === undefined ? null : (await usableModel(body.model, deps)).base;
        const output = join(place.folder, 'fixed.jsonl');
        const validOutput = join(place.folder, 'fixed-valid.jsonl');
        const wanted = Array.isArray(fix) ? fix : [];
        const { report, fixed } = (await runDataTask(
          {
            kind: 'check',
            path,
            valid,
            sheet: body.sheet,
            encoding: body.encoding,
            model: base,
            modelName: body.model ?? null,
            contextLength: body.context_length ?? null,
            near: body.near_duplicates,
            screen: body.screen,
            prices: null,
            html: null,
            fix:
              fix === undefined
                ? null
                : { output, validOutput: valid === null ? null : validOutput, fill: body.fill },
            language: body.language,
          },
          {
            ...progress,
            ask: async (questions) =>
              questions
                .filter(({ code }) => wanted.includes(code))
                .map(({ file, code }) => `${file}/${code}`),
          },
        )) as { report: Report; fixed: readonly Fixed[] };
        const named = (section: { path: string } | null, id: string | undefined) =>
          section === null ? null : { ...section, path: id };
        const files = [];
        for (const { path: made, redaction_map: map, ...rest } of fixed) {
          const source = made === output ? path : (valid ?? path);
          const file = await place.output(made, `${stem(source)}_fixed.jsonl`);
          // What was redacted stays with the caller alone: it is in the answer and nowhere else.
          const redactions = map === null ? {} : { redaction_map: await readJson(map) };
          files.push({ ...rest, ...redactions, file });
        }
        return {
          ...report,
          train: named(report.train, file_id),
          valid: named(report.valid, validId),
          ...(fix === undefined ? {} : { fixed: files }),
        };
      });
    })
    .post('/prepare', async (c) => {
      const body = await readBody(c, Prepare, config);
      if (body.system !== undefined && body.to !== 'chat')
        throw invalidValue('system', "it needs 'to': 'chat'.");
      return answer(c, deps, body.stream, async (place, progress) => {
        const path = await place.input('file_id', body.file_id);
        const { sheet, encoding, format, fix, where, seed, language, name, author } = body;
        const { outputs, rejected, ...report } = (await runDataTask(
          {
            kind: 'prepare',
            ...{ path, sheet, encoding, format, fix, where, seed, language },
            output: join(place.folder, basename(path)),
            prompt: body.prompt ?? null,
            completion: body.completion ?? null,
            to: body.to ?? null,
            system: body.system ?? null,
            sample: body.sample ?? null,
            names: { name, author },
          },
          progress,
        )) as { outputs: readonly { path: string }[]; rejected: string | null };
        const keep = (made: string) => place.output(made, basename(made));
        const files = [];
        for (const made of outputs) files.push(await keep(made.path));
        const aside = rejected === null ? null : await keep(rejected);
        return { object: 'tunery.data_preparation', ...report, files, rejected: aside };
      });
    })
    .post('/preview', async (c) => {
      const body = await readBody(c, Preview, config);
      return answer(c, deps, body.stream, async (place, progress) => {
        const { base } = await usableModel(body.model, deps);
        const task: DataTask = {
          kind: 'preview',
          path: await place.input('file_id', body.file_id),
          sheet: body.sheet,
          encoding: body.encoding,
          model: base,
          contextLength: body.context_length ?? null,
          rows: body.rows ?? null,
          count: body.count,
        };
        return { object: 'tunery.data_preview', data: await runDataTask(task, progress) };
      });
    })
    .post('/overlap', async (c) => {
      const body = await readBody(c, Overlap, config);
      return answer(c, deps, body.stream, async (place, progress) => {
        const result = await runDataTask(
          {
            kind: 'overlap',
            path: await place.input('file_id', body.file_id),
            sheet: body.sheet,
            encoding: body.encoding,
            other: await place.input('other_file_id', body.other_file_id),
          },
          progress,
        );
        return { object: 'tunery.overlap', ...(result as object) };
      });
    })
    .post('/convert', async (c) => {
      const body = await readBody(c, Convert, config);
      return answer(c, deps, body.stream, async (place, progress) => {
        const path = await place.input('file_id', body.file_id);
        const output = join(place.folder, 'converted.jsonl');
        const { path: _, ...result } = (await runDataTask(
          {
            kind: 'convert',
            path,
            sheet: body.sheet,
            encoding: body.encoding,
            set: null,
            from: body.from ?? null,
            to: body.to,
            output,
            system: body.system ?? null,
            separator: body.separator,
            stop: body.stop,
            fill: body.fill,
            replace: body.replace,
            map: body.keys,
            sample: body.sample ?? null,
            seed: body.seed,
            skipBad: body.skip_bad,
          },
          progress,
        )) as { path: string };
        const file = await place.output(output, `${stem(path)}_${body.to}.jsonl`);
        return { object: 'tunery.data_conversion', ...result, file };
      });
    })
    .post('/transform', async (c) => {
      const body = await readBody(c, Transform, config);
      return answer(c, deps, body.stream, async (place, progress) => {
        const path = await place.input('file_id', body.file_id);
        const steps: unknown[] = [];
        for (const [i, step] of body.steps.entries()) {
          if ('path' in step)
            throw invalidValue(`steps[${i}].path`, "name the general set by 'file_id'.");
          const { file_id: id, ...rest } = step as { do: string; file_id?: unknown; map?: unknown };
          if (rest.map !== undefined) rest.map = await inFolder(place.folder, i, rest.map);
          if (id === undefined) steps.push(rest);
          else steps.push({ ...rest, path: await place.input(`steps[${i}].file_id`, String(id)) });
          const parsed = Step.safeParse(steps.at(-1));
          if (!parsed.success) throw invalidValue(`steps[${i}]`, z.prettifyError(parsed.error));
        }
        const output = join(place.folder, `${stem(path)}_transformed.jsonl`);
        const {
          outputs,
          manifest,
          redaction_map: map,
          ...result
        } = (await runDataTask(
          {
            kind: 'transform',
            path,
            sheet: body.sheet,
            encoding: body.encoding,
            output,
            steps,
            seed: body.seed,
          },
          progress,
        )) as {
          outputs: readonly { path: string }[];
          manifest: string;
          redaction_map: string | null;
        };
        const files = [];
        for (const made of outputs) files.push(await place.output(made.path, basename(made.path)));
        return {
          ...result,
          files,
          manifest: await readJson(manifest),
          ...(map === null ? {} : { redaction_map: await readJson(map) }),
        };
      });
    });
}

/** A map of what was redacted is given itself: no path of the server is read. */
async function inFolder(folder: string, i: number, map: unknown): Promise<string> {
  if (typeof map !== 'object' || map === null)
    throw invalidValue(`steps[${i}].map`, 'give the redaction map itself, an object.');
  const path = join(folder, `redaction-${i}.json`);
  await writeTextTo(path, JSON.stringify(map));
  return path;
}

type Report = Record<string, unknown> & { train: { path: string }; valid: { path: string } | null };
type Fixed = { readonly path: string; readonly redaction_map: string | null };
