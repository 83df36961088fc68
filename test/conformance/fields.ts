// Every field that the server's schemas accept, endpoint by endpoint, and the tests that show what each
// does (fields.md). A field without such a test fails `npm test` and the conformance run.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Step } from '../../src/data/transform/steps.ts';
import { Grader } from '../../src/graders/grader.ts';
import {
  CreatePermissions,
  ListPermissions,
} from '../../src/server/routes/checkpoint-permissions.ts';
import {
  Check,
  Convert,
  Overlap,
  Prepare,
  Preview,
  Transform,
} from '../../src/server/routes/data.ts';
import { Distil, Documents, Generate, Rationale } from '../../src/server/routes/data-ask.ts';
import { UpdateEngine } from '../../src/server/routes/engines.ts';
import { ItemsQuery } from '../../src/server/routes/responses.ts';
import { ExportModel, ImportModel } from '../../src/server/routes/tunery.ts';
import { CreateBatch, ListBatches } from '../../src/server/schemas/batches.ts';
import { CreateChatCompletion } from '../../src/server/schemas/chat-completions.ts';
import { CreateCompletion } from '../../src/server/schemas/completions.ts';
import { CreateEmbedding } from '../../src/server/schemas/embeddings.ts';
import { ListFiles, UploadFields } from '../../src/server/schemas/files.ts';
import { CreateFineTune } from '../../src/server/schemas/fine-tunes.ts';
import {
  CreateJob,
  ListCheckpoints,
  ListEvents,
  ListJobs,
} from '../../src/server/schemas/fine-tuning-jobs.ts';
import { RunGrader, ValidateGrader } from '../../src/server/schemas/graders.ts';
import { CreateKey, ListKeys } from '../../src/server/schemas/keys.ts';
import { CreateModeration } from '../../src/server/schemas/moderations.ts';
import { CountInputTokens, CreateResponse } from '../../src/server/schemas/responses.ts';
import { CompleteUpload, createUpload } from '../../src/server/schemas/uploads.ts';

type Schemas = Readonly<Record<string, z.ZodType>>;

/** Method and path, and the schemas by the names that the routes call them. */
export const ENDPOINTS: Readonly<Record<string, Schemas>> = {
  'POST /v1/files': { UploadFields },
  'GET /v1/files': { ListFiles },
  'POST /v1/uploads': { CreateUpload: createUpload(1) },
  'POST /v1/uploads/{id}/complete': { CompleteUpload },
  'POST /v1/fine_tuning/jobs': { CreateJob },
  'GET /v1/fine_tuning/jobs': { ListJobs },
  'GET /v1/fine_tuning/jobs/{id}/events': { ListEvents },
  'GET /v1/fine_tuning/jobs/{id}/checkpoints': { ListCheckpoints },
  'POST /v1/fine_tuning/checkpoints/{model}/permissions': { CreatePermissions },
  'GET /v1/fine_tuning/checkpoints/{model}/permissions': { ListPermissions },
  'POST /v1/fine_tuning/alpha/graders/validate': { ValidateGrader },
  'POST /v1/fine_tuning/alpha/graders/run': { RunGrader, grader: z.object({ grader: Grader }) },
  'POST /v1/fine-tunes': { CreateFineTune },
  'GET /v1/fine-tunes/{id}/events': { ListEvents: ListEvents.pick({ stream: true }) },
  'POST /v1/engines/{id}': { UpdateEngine },
  'POST /v1/chat/completions': { CreateChatCompletion },
  'POST /v1/completions': { CreateCompletion },
  'POST /v1/embeddings': { CreateEmbedding },
  'POST /v1/moderations': { CreateModeration },
  'POST /v1/batches': { CreateBatch },
  'GET /v1/batches': { ListBatches },
  'POST /v1/responses': { CreateResponse },
  'POST /v1/responses/input_tokens': { CountInputTokens },
  'GET /v1/responses/{id}/input_items': { ItemsQuery },
  'POST /tunery/v1/keys': { CreateKey },
  'GET /tunery/v1/keys': { ListKeys },
  'POST /tunery/v1/data/check': { Check },
  'POST /tunery/v1/data/preview': { Preview },
  'POST /tunery/v1/data/convert': { Convert },
  'POST /tunery/v1/data/transform': { Transform, step: z.object({ steps: z.array(Step) }) },
  'POST /tunery/v1/data/prepare': { Prepare },
  'POST /tunery/v1/data/overlap': { Overlap },
  'POST /tunery/v1/data/documents': { Documents },
  'POST /tunery/v1/data/rationale': { Rationale },
  'POST /tunery/v1/data/distil': { Distil },
  'POST /tunery/v1/data/generate': { Generate },
  'POST /tunery/v1/models/import': { ImportModel },
  'POST /tunery/v1/export': { ExportModel },
};

/** Paths such as `messages[].role`, of all schemas of an endpoint, each once. */
export const fieldsOf = (schemas: Schemas): string[] => [
  ...new Set(
    Object.values(schemas).flatMap((schema) => [
      ...paths(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), ''),
    ]),
  ),
];

type Node = z.core.JSONSchema.BaseSchema;

/** An object is nothing but its fields; so is one of several objects, and one that may be null. */
const isObject = (node: Node | boolean): boolean =>
  typeof node !== 'boolean' &&
  (node.properties !== undefined ||
    ([node.anyOf, node.oneOf].some((list) => list !== undefined) &&
      [...(node.anyOf ?? []), ...(node.oneOf ?? [])].every(
        (branch) => isObject(branch) || (branch as Node).type === 'null',
      )));

function* paths(node: Node | boolean, at: string): Generator<string> {
  if (typeof node === 'boolean') return;
  for (const [name, inner] of Object.entries(node.properties ?? {})) {
    const path = at === '' ? name : `${at}.${name}`;
    if (!isObject(inner)) yield path;
    yield* paths(inner, path);
  }
  for (const item of [node.items ?? []].flat()) yield* paths(item, `${at}[]`);
  // A map of objects, such as the parts of a multi grader.
  if (typeof node.additionalProperties === 'object')
    yield* paths(node.additionalProperties, `${at}[]`);
  for (const branch of [node.anyOf, node.oneOf, node.allOf].flatMap((list) => list ?? []))
    yield* paths(branch, at);
}

/** What a field does: `acts`; `refused` with any value that asks for something; `ignored`, because no
 *  answer could differ and the contract wants it taken. */
export const EFFECTS = ['acts', 'refused', 'ignored'] as const;
export type ShownTest = { readonly file: string; readonly title: string };
export type Shown = {
  readonly endpoint: string;
  readonly fields: readonly string[];
  readonly effect: (typeof EFFECTS)[number];
  readonly tests: readonly ShownTest[];
};

const TABLE = fileURLToPath(new URL('fields.md', import.meta.url));

/** The rows of fields.md. */
export function shownFields(): Shown[] {
  const sections = readFileSync(TABLE, 'utf8').split(/^## /m).slice(1);
  return sections.flatMap((section) => {
    const [endpoint, ...lines] = section.split('\n');
    return lines
      .filter((line) => line.startsWith('| `'))
      .map((line) => {
        const [fields, effect, tests] = line.slice(2, -2).split(' | ');
        return {
          endpoint: endpoint!,
          fields: [...fields!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
          effect: effect as Shown['effect'],
          tests: tests!.split(' <br> ').map((test) => {
            const end = test.indexOf(': ');
            return { file: test.slice(0, end), title: test.slice(end + 2) };
          }),
        };
      });
  });
}
