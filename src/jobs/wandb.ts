// What a server of Weights & Biases is told of a run, in the protocol of its maintained client: the run
// by GraphQL (`upsertBucket`), its history by `file_stream`, whose lines carry their place, so that a line
// that is sent twice is stored once.
import type { WandbRun } from './integration.ts';

export type WandbServer = { readonly baseUrl: string; readonly apiKey: string };

/** Whoever refuses once will refuse again, unlike a server that is away for a while. */
export class WandbRefused extends Error {}

type Place = { readonly entity: string; readonly project: string; readonly id: string };
export type WandbConnection = {
  /** Makes the run, or finds the one of this id. */
  readonly begin: (run: WandbRun, config: Readonly<Record<string, unknown>>) => Promise<Place>;
  /** `offset`: how many lines lie before these. */
  readonly send: (place: Place, offset: number, lines: readonly string[]) => Promise<void>;
  readonly end: (place: Place, summary: object, exitCode: number) => Promise<void>;
  /** Where people look at it. */
  readonly pageOf: (place: Place) => string;
};

const UPSERT = `mutation UpsertBucket($name: String, $project: String, $entity: String, $displayName: String,
  $config: JSONString, $tags: [String!], $state: String, $jobType: String, $program: String) {
  upsertBucket(input: { name: $name, modelName: $project, entityName: $entity, displayName: $displayName,
    config: $config, tags: $tags, state: $state, jobType: $jobType, program: $program }) {
    bucket { id name project { name entity { name } } }
    inserted
  }
}`;

const TIMEOUT_MS = 30_000;

export function wandbConnection(
  { baseUrl, apiKey }: WandbServer,
  signal: AbortSignal,
): WandbConnection {
  const base = baseUrl.replace(/\/+$/, '');
  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(`${base}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'tunery',
        authorization: `Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await response.text();
    if (response.ok) return parse(text);
    const message = `it answered ${response.status} ${text.slice(0, 200)}`;
    const later = [408, 409, 429].includes(response.status) || response.status >= 500;
    throw later ? new Error(message) : new WandbRefused(message);
  };
  const stream = (place: Place, body: object) =>
    post(
      `/files/${[place.entity, place.project, place.id].map(encodeURIComponent).join('/')}/file_stream`,
      body,
    );
  return {
    begin: async (run, config) => {
      const answer = await post('/graphql', {
        operationName: 'UpsertBucket',
        query: UPSERT,
        variables: {
          name: run.id,
          project: run.project,
          entity: run.entity,
          displayName: run.displayName,
          tags: run.tags,
          state: 'running',
          jobType: 'fine-tune',
          program: 'tunery',
          config: JSON.stringify(
            Object.fromEntries(Object.entries(config).map(([name, value]) => [name, { value }])),
          ),
        },
      });
      return placeOf(answer, run);
    },
    send: async (place, offset, content) => {
      await stream(place, { files: { 'wandb-history.jsonl': { offset, content } } });
    },
    end: async (place, summary, exitcode) => {
      const content = [JSON.stringify(summary)];
      await stream(place, {
        files: { 'wandb-summary.json': { offset: 0, content } },
        complete: true,
        exitcode,
      });
    },
    pageOf: ({ entity, project, id }) =>
      `${base.replace('//api.wandb.ai', '//wandb.ai')}/${entity}/${project}/runs/${id}`,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // `file_stream` may answer with nothing
  }
}

type Upserted = {
  readonly errors?: readonly { readonly message?: string }[];
  readonly data?: {
    readonly upsertBucket?: {
      readonly bucket?: {
        readonly name?: string;
        readonly project?: { readonly name?: string; readonly entity?: { readonly name?: string } };
      } | null;
    } | null;
  } | null;
};

/** The server says who owns the run where the user named nobody. */
function placeOf(answer: unknown, run: WandbRun): Place {
  const { errors, data } = (answer ?? {}) as Upserted;
  if (errors !== undefined && errors.length > 0)
    throw new WandbRefused(`it answered ${errors[0]?.message ?? 'with an error'}`);
  const bucket = data?.upsertBucket?.bucket;
  const entity = bucket?.project?.entity?.name ?? run.entity;
  if (!bucket || !entity) throw new WandbRefused('it does not answer as Weights & Biases does');
  return { entity, project: bucket.project?.name ?? run.project, id: bucket.name ?? run.id };
}
