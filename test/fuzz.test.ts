// Requests of every kind against the whole HTTP surface: bodies made from the schemas and broken in one
// place, and bytes that are no request at all. Whatever comes, the answer is the API's: never a 5xx, and
// an error has its four keys. Short here; `npm run fuzz -- --minutes 60` for long, `--seed N` to repeat.
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { z } from 'zod';
import { createJobs } from '../src/jobs/jobs.ts';
import { systemClock } from '../src/lib/clock.ts';
import { createLog } from '../src/lib/log.ts';
import { CreatePermissions } from '../src/server/routes/checkpoint-permissions.ts';
import * as data from '../src/server/routes/data.ts';
import { Distil, Documents, Generate, Rationale } from '../src/server/routes/data-ask.ts';
import { UpdateEngine } from '../src/server/routes/engines.ts';
import { ExportModel, ImportModel } from '../src/server/routes/tunery.ts';
import { CreateBatch } from '../src/server/schemas/batches.ts';
import { CreateChatCompletion } from '../src/server/schemas/chat-completions.ts';
import { CreateCompletion } from '../src/server/schemas/completions.ts';
import { CreateEmbedding } from '../src/server/schemas/embeddings.ts';
import { CreateFineTune } from '../src/server/schemas/fine-tunes.ts';
import { CreateJob } from '../src/server/schemas/fine-tuning-jobs.ts';
import { RunGrader, ValidateGrader } from '../src/server/schemas/graders.ts';
import { CreateKey } from '../src/server/schemas/keys.ts';
import { CreateModeration } from '../src/server/schemas/moderations.ts';
import { CountInputTokens, CreateResponse } from '../src/server/schemas/responses.ts';
import { CompleteUpload, createUpload } from '../src/server/schemas/uploads.ts';
import { countingApp } from '../src/testing/counting-app.ts';
import { valuesOf } from '../src/testing/schema-arbitrary.ts';
import { addFile, temporaryFolder, temporaryStore } from '../src/testing/temporary-store.ts';

const seconds = Number(process.env['TUNERY_FUZZ_SECONDS'] ?? 12);
const seed = Number(process.env['TUNERY_FUZZ_SEED'] ?? Date.now() % 2 ** 31);

type Sent = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | null;
};

test('no request gets a 5xx', { timeout: seconds * 1000 + 120_000 }, async () => {
  process.stderr.write(`fuzz: seed ${seed}, ${seconds} s\n`);
  const store = await temporaryStore();
  const log = createLog('silent');
  const jobs = createJobs({
    store,
    clock: systemClock,
    log,
    score: async () => [],
    modelsDirs: ['assets/models'],
    organization: 'org-fuzz',
    // Jobs come into being and fail: what trains is none of this test.
    launch: async function* () {
      yield { type: 'fail', code: 'no', message: 'No.', param: null };
    },
  });
  await jobs.start();
  onTestFinished(() => jobs.close());
  const app = countingApp({ store, jobs, config: { jsonLimit: 60_000, fileLimit: 60_000 } });
  // From the first key on there are keys, so that their part is tried too; this one may do everything.
  const made = await app.request('/tunery/v1/keys', {
    method: 'POST',
    body: JSON.stringify({ scopes: ['admin'] }),
  });
  const own = (await made.json()) as { id: string; value: string };
  const { id: file } = await addFile(store, '{"prompt":"a","completion":"b"}\n');
  // What exists; what comes into being while the test runs is added.
  const pool = [file, 'counter', 'stories260k', 'ftjob-none', 'a\nb', '%', 'x'.repeat(300), 'ü/:@'];

  const send = async ({ method, path, headers, body }: Sent) => {
    let request: Request;
    try {
      request = new Request(`http://localhost${path}`, {
        method,
        headers,
        ...(body === null || method === 'GET' ? {} : { body }),
      });
    } catch {
      return; // no client can send this
    }
    const response = await app.fetch(request);
    const text = await response.text();
    const shown = `${method} ${path} ${JSON.stringify(headers)} ${String(body).slice(0, 500)}`;
    expect(response.status, `${shown}\n${text.slice(0, 500)}`).toBeLessThan(500);
    if (response.status === 401)
      expect(headers['authorization'] ?? '', shown).not.toContain(own.value);
    if (response.status < 400) {
      const id = /"id": ?"([\w-]{8,60})"/.exec(text)?.[1];
      if (id !== undefined && id !== own.id && pool.length < 60) pool.push(id);
      return;
    }
    const { error } = JSON.parse(text) as { error: object };
    expect(Object.keys(error).sort(), shown).toEqual(['code', 'message', 'param', 'type']);
    expect(response.headers.get('x-request-id'), shown).toMatch(/^req_/);
  };

  const folder = await temporaryFolder();
  const every = requests(pool, routesOf(app), { authorization: `Bearer ${own.value}`, folder });
  const result = await fc.check(fc.asyncProperty(every, send), {
    seed,
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: seconds * 1000,
    markInterruptAsFailure: false,
    endOnFailure: true,
  });
  const reason = result.errorInstance instanceof Error ? result.errorInstance.message : '';
  expect(result.failed, `seed ${seed} after ${result.numRuns} requests:\n${reason}`).toBe(false);
  process.stderr.write(`fuzz: ${result.numRuns} requests\n`);
});

const BODIES: readonly (readonly [string, z.ZodType])[] = [
  ['/v1/fine_tuning/jobs', CreateJob],
  ['/v1/fine-tunes', CreateFineTune],
  ['/v1/uploads', createUpload(8 * 2 ** 30)],
  ['/v1/uploads/{id}/complete', CompleteUpload],
  ['/v1/chat/completions', CreateChatCompletion],
  ['/v1/completions', CreateCompletion],
  ['/v1/engines/{id}', UpdateEngine],
  ['/v1/engines/{id}/completions', CreateCompletion],
  ['/v1/engines/{id}/chat/completions', CreateChatCompletion],
  ['/v1/engines/{id}/embeddings', CreateEmbedding],
  ['/v1/embeddings', CreateEmbedding],
  ['/v1/responses', CreateResponse],
  ['/v1/responses/input_tokens', CountInputTokens],
  ['/v1/moderations', CreateModeration],
  ['/v1/batches', CreateBatch],
  ['/v1/fine_tuning/alpha/graders/validate', ValidateGrader],
  ['/v1/fine_tuning/alpha/graders/run', RunGrader],
  ['/v1/fine_tuning/checkpoints/{id}/permissions', CreatePermissions],
  ['/tunery/v1/keys', CreateKey],
];

/** Each is the work of a process of its own, which takes as long as a hundred of the others. */
const SLOW_BODIES: readonly (readonly [string, z.ZodType])[] = [
  ['/tunery/v1/data/check', data.Check],
  ['/tunery/v1/data/preview', data.Preview],
  ['/tunery/v1/data/convert', data.Convert],
  ['/tunery/v1/data/transform', data.Transform],
  ['/tunery/v1/data/prepare', data.Prepare],
  ['/tunery/v1/data/overlap', data.Overlap],
  ['/tunery/v1/data/documents', Documents],
  ['/tunery/v1/data/rationale', Rationale],
  ['/tunery/v1/data/distil', Distil],
  ['/tunery/v1/data/generate', Generate],
];

/** Name places on this disk, which are kept inside a folder of the test. */
const PLACED_BODIES: readonly (readonly [string, z.ZodType])[] = [
  ['/tunery/v1/models/import', ImportModel],
  ['/tunery/v1/export', ExportModel],
];

/** POST without a JSON body. */
const BODILESS = [/^\/v1\/files$/, /\/parts$/, /\/(cancel|pause|resume)$/];

type Route = { readonly method: string; readonly path: string };

/** What the application answers to, with `{id}` for each parameter. */
function routesOf(app: { readonly routes: readonly Route[] }): Route[] {
  const routes = app.routes.flatMap(({ method, path }) =>
    method === 'ALL' ? [] : [{ method, path: templateOf(path) }],
  );
  const known = [...BODIES, ...SLOW_BODIES, ...PLACED_BODIES].map(([path]) => path);
  const forgotten = routes.filter(
    ({ method, path }) =>
      method === 'POST' && !known.includes(path) && !BODILESS.some((pattern) => pattern.test(path)),
  );
  expect(forgotten, 'a route whose body nobody tries').toEqual([]);
  return routes;
}

/** `/:id{.+}` → `/{id}`, `/:verb{cancel|pause}` → `/cancel` */
const templateOf = (path: string) =>
  path.replace(/\/:\w+(?:\{([^}]*)\})?/g, (_, pattern?: string) =>
    /^\w+\|/.test(pattern ?? '') ? `/${pattern!.split('|')[0]}` : '/{id}',
  );

type Surroundings = {
  /** A key that may do everything. */
  readonly authorization: string;
  readonly folder: string;
};

function requests(
  pool: readonly string[],
  routes: readonly Route[],
  { authorization, folder }: Surroundings,
): fc.Arbitrary<Sent> {
  const id = fc.oneof(
    fc.nat().map((n) => encodeURIComponent(pool[n % pool.length]!)),
    fc.constantFrom('%00', '%2F..%2F', '%ff', '%', '%0d%0aX: y', '..', '', '%F0%9F%98%80'),
    fc.string({ maxLength: 20 }).map((text) => text.replace(/[?#\\]/g, '')),
  );
  const filled = (path: string) =>
    fc.array(id, { minLength: 2, maxLength: 2 }).map((ids) => {
      let next = 0;
      return path.replaceAll('{id}', () => ids[next++]!);
    });
  const jsonOf = (bodies: typeof BODIES, change = (value: unknown) => value) =>
    fc.constantFrom(...bodies).chain(([path, schema]) =>
      fc.record({
        method: fc.constant('POST'),
        path: filled(path),
        headers: fc.constant({ 'content-type': 'application/json', authorization }),
        body: valuesOf(schema, pool).map((value) => JSON.stringify(change(value)) ?? ''),
      }),
    );
  const pathOf = (template: fc.Arbitrary<string>) =>
    fc.tuple(template.chain(filled), query(pool)).map(([path, text]) => path + text);
  const asked = fc
    .constantFrom(...routes.filter(({ method }) => method !== 'POST'))
    .chain(({ method, path }) =>
      fc.record({
        method: fc.constant(method),
        path: pathOf(fc.constant(path)),
        headers: fc.constant({ authorization }),
        body: fc.constant(null),
      }),
    );
  const bytes = fc.record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'),
    path: pathOf(fc.constantFrom('/v1//{id}', '/{id}', ...routes.map(({ path }) => path))),
    headers: fc.record(
      {
        'content-type': fc.constantFrom(
          'application/json',
          'text/plain',
          'multipart/form-data',
          '',
        ),
        authorization: fc.constantFrom(authorization, authorization, 'Bearer x', 'Basic', ''),
        'idempotency-key': fc.constantFrom('k', ''),
        origin: fc.constantFrom('http://localhost:1', 'null', '://'),
        accept: fc.constantFrom('application/xml', '*/*'),
      },
      { requiredKeys: [] },
    ),
    body: fc.oneof(fc.constant(null), fc.constant(''), fc.uint8Array({ maxLength: 200 })),
  });
  return fc.oneof(
    { weight: 300, arbitrary: jsonOf(BODIES) },
    { weight: 6, arbitrary: jsonOf(SLOW_BODIES) },
    { weight: 10, arbitrary: jsonOf(PLACED_BODIES, (value) => placed(value, folder)) },
    { weight: 150, arbitrary: asked },
    { weight: 150, arbitrary: bytes },
    { weight: 100, arbitrary: multipart(pool, authorization) },
  );
}

function placed(value: unknown, folder: string): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const inside = (name: string) =>
    join(folder, encodeURIComponent(name.toWellFormed()).slice(0, 99));
  return Object.fromEntries(
    Object.entries(value).map(([key, text]) =>
      ['source', 'output'].includes(key) && typeof text === 'string'
        ? [key, inside(text)]
        : [key, text],
    ),
  );
}

function query(pool: readonly string[]): fc.Arbitrary<string> {
  const name = fc.constantFrom(
    ...['after', 'limit', 'order', 'purpose', 'stream', 'metadata', 'metadata[a]', 'project_id'],
  );
  const value = fc.oneof(
    fc.nat().map((n) => pool[n % pool.length]!),
    fc.constantFrom('0', '1', '-1', '1e9', 'true', 'asc', 'ascending', 'null', '', '\0', "'"),
    fc.string({ unit: 'binary', maxLength: 10 }),
  );
  return fc
    .array(fc.tuple(name, value), { maxLength: 3 })
    .map((pairs) => (pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`));
}

/** Forms whose parts, headers and ends are right or nearly so. */
function multipart(pool: readonly string[], authorization: string): fc.Arbitrary<Sent> {
  const text = fc.oneof(
    fc.constantFrom('fine-tune', 'batch', 'created_at', '3600', 'x'.repeat(5000), ''),
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constant('{"prompt":"a","completion":"b"}\n'),
  );
  const part = fc
    .record({
      name: fc.constantFrom(
        'file',
        'file',
        'purpose',
        'purpose',
        'data',
        'expires_after[seconds]',
        '',
      ),
      filename: fc.option(
        fc.oneof(
          fc.constantFrom('a.jsonl', `${'数'.repeat(150)}.csv`, '../../x', 'a\r\nb: c', '"'),
          text,
        ),
      ),
      extra: fc.constantFrom('', 'Content-Type: application/json\r\n', 'X\r\n', 'A: \0\r\n'),
      body: text,
    })
    .map(
      ({ name, filename, extra, body }) =>
        `--b\r\nContent-Disposition: form-data; name="${name}"${filename === null ? '' : `; filename="${filename}"`}\r\n${extra}\r\n${body}\r\n`,
    );
  return fc.record({
    method: fc.constant('POST'),
    path: fc.oneof(
      fc.constant('/v1/files'),
      fc.nat().map((n) => `/v1/uploads/${encodeURIComponent(pool[n % pool.length]!)}/parts`),
    ),
    headers: fc
      .constantFrom(
        'multipart/form-data; boundary=b',
        'multipart/form-data; boundary=',
        'multipart/x',
      )
      .map((type) => ({ 'content-type': type, authorization })),
    body: fc
      .tuple(fc.array(part, { maxLength: 4 }), fc.constantFrom('--b--\r\n', '--b', '', '--b--b'))
      .map(([parts, end]) => parts.join('') + end),
  });
}
