// Requests of every kind against the whole HTTP surface: bodies made from the schemas and broken in one
// place, and bytes that are no request at all. Whatever comes, the answer is the API's: never a 5xx, and
// an error has its four keys. Short here; `npm run fuzz -- --minutes 60` for long, `--seed N` to repeat.
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { z } from 'zod';
import { createJobs } from '../src/jobs/jobs.ts';
import { systemClock } from '../src/lib/clock.ts';
import { createLog } from '../src/lib/log.ts';
import { CreateBatch } from '../src/server/schemas/batches.ts';
import { CreateChatCompletion } from '../src/server/schemas/chat-completions.ts';
import { CreateCompletion } from '../src/server/schemas/completions.ts';
import { CreateEmbedding } from '../src/server/schemas/embeddings.ts';
import { CreateFineTune } from '../src/server/schemas/fine-tunes.ts';
import { CreateJob } from '../src/server/schemas/fine-tuning-jobs.ts';
import { RunGrader, ValidateGrader } from '../src/server/schemas/graders.ts';
import { CreateModeration } from '../src/server/schemas/moderations.ts';
import { CreateResponse } from '../src/server/schemas/responses.ts';
import { CompleteUpload, createUpload } from '../src/server/schemas/uploads.ts';
import { countingApp } from '../src/testing/counting-app.ts';
import { valuesOf } from '../src/testing/schema-arbitrary.ts';
import { addFile, temporaryStore } from '../src/testing/temporary-store.ts';

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
    if (response.status === 401) throw new Error(`a key came into being: ${shown}`);
    if (response.status < 400) {
      const id = /"id": ?"([\w-]{8,60})"/.exec(text)?.[1];
      if (id !== undefined && pool.length < 60) pool.push(id);
      return;
    }
    const { error } = JSON.parse(text) as { error: object };
    expect(Object.keys(error).sort(), shown).toEqual(['code', 'message', 'param', 'type']);
    expect(response.headers.get('x-request-id'), shown).toMatch(/^req_/);
  };

  const result = await fc.check(fc.asyncProperty(requests(pool), send), {
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
  ['/v1/engines/{id}/completions', CreateCompletion],
  ['/v1/embeddings', CreateEmbedding],
  ['/v1/responses', CreateResponse],
  ['/v1/moderations', CreateModeration],
  ['/v1/batches', CreateBatch],
  ['/v1/fine_tuning/alpha/graders/validate', ValidateGrader],
  ['/v1/fine_tuning/alpha/graders/run', RunGrader],
];

const PATHS = [
  '/v1/files',
  '/v1/files/{id}',
  '/v1/files/{id}/content',
  '/v1/uploads/{id}/parts',
  '/v1/uploads/{id}/cancel',
  '/v1/fine_tuning/jobs',
  '/v1/fine_tuning/jobs/{id}',
  '/v1/fine_tuning/jobs/{id}/events',
  '/v1/fine_tuning/jobs/{id}/checkpoints',
  '/v1/fine_tuning/jobs/{id}/cancel',
  '/v1/fine_tuning/jobs/{id}/pause',
  '/v1/fine_tuning/jobs/{id}/resume',
  '/v1/fine_tuning/checkpoints/{id}/permissions',
  '/v1/fine_tuning/checkpoints/{id}/permissions/{id}',
  '/v1/fine-tunes/{id}',
  '/v1/fine-tunes/{id}/events',
  '/v1/fine-tunes/{id}/cancel',
  '/v1/models',
  '/v1/models/{id}',
  '/v1/engines/{id}',
  '/v1/batches',
  '/v1/batches/{id}',
  '/v1/batches/{id}/cancel',
  '/v1/responses/{id}',
  '/v1//{id}',
  '/{id}',
];

function requests(pool: readonly string[]): fc.Arbitrary<Sent> {
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
  const json = fc.constantFrom(...BODIES).chain(([path, schema]) =>
    fc.record({
      method: fc.constant('POST'),
      path: filled(path),
      headers: fc.constant({ 'content-type': 'application/json' }),
      body: valuesOf(schema, pool).map((value) => JSON.stringify(value) ?? ''),
    }),
  );
  const bytes = fc.record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'DELETE', 'PUT', 'PATCH', 'HEAD', 'OPTIONS'),
    path: fc
      .tuple(fc.constantFrom(...PATHS, ...BODIES.map(([path]) => path)).chain(filled), query(pool))
      .map(([path, text]) => path + text),
    headers: fc.record(
      {
        'content-type': fc.constantFrom(
          'application/json',
          'text/plain',
          'multipart/form-data',
          '',
        ),
        authorization: fc.constantFrom('Bearer x', 'Basic', ''),
        'idempotency-key': fc.constantFrom('k', ''),
        origin: fc.constantFrom('http://localhost:1', 'null', '://'),
        accept: fc.constantFrom('application/xml', '*/*'),
      },
      { requiredKeys: [] },
    ),
    body: fc.oneof(fc.constant(null), fc.constant(''), fc.uint8Array({ maxLength: 200 })),
  });
  return fc
    .oneof({ weight: 3, arbitrary: json }, { weight: 3, arbitrary: bytes }, multipart(pool))
    .filter(({ method }) => method !== 'HEAD'); // has no body to look at
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
function multipart(pool: readonly string[]): fc.Arbitrary<Sent> {
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
      filename: fc.option(fc.oneof(fc.constantFrom('a.jsonl', '../../x', 'a\r\nb: c', '"'), text)),
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
      .map((type) => ({ 'content-type': type })),
    body: fc
      .tuple(fc.array(part, { maxLength: 4 }), fc.constantFrom('--b--\r\n', '--b', '', '--b--b'))
      .map(([parts, end]) => parts.join('') + end),
  });
}
