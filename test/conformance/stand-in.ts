// What the SDKs' tests speak to: forwards each request to the server and exchanges ids that the tests made
// up for ids of real things. Nothing else is touched: not the method, not another parameter, not the answer.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { EXAMPLE, type Made } from './made.ts';
import { TINY } from './server.ts';

export type StandIn = { readonly url: string; readonly close: () => void };

export async function standIn(server: string, made: Made): Promise<StandIn> {
  const listening = createServer((request, response) => {
    void forward(server, made, request, response);
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, close: () => listening.close() };
}

/** What a rule may change. */
type Sent = { path: string; query: URLSearchParams; body: Record<string, unknown> | null };
type Rule = {
  readonly on: RegExp;
  readonly exchange: (sent: Sent, made: Made) => Promise<void>;
  /** Clears up after a test, so that none meets what another left (a paused job in a list, say). */
  readonly after?: (answer: { id: string }, made: Made) => Promise<unknown>;
};

const FILE = 'file_id';
const JOB = 'ft-AF1WoRqd3aJAHsqc9NY7iL8F';
const UPLOAD = 'upload_abc123';
const RESPONSE = 'resp_677efb5139a88190b512bc3fef8e535d';
const CHECKPOINT = /ft:gpt-4o-mini-2024-07-18:org:weather:B7R9VjQd|ft-AF1WoRqd3aJAHsqc9NY7iL8F/;

const put = (from: string | RegExp, to: (made: Made) => Promise<string> | string) =>
  async function exchange(sent: Sent, made: Made) {
    sent.path = sent.path.replace(from, encodeURIComponent(await to(made)));
  };
const stopJob = ({ id }: { id: string }, { client }: Made) => client.fineTuning.jobs.cancel(id);

// The first that matches; the id in it is the one that the tests use.
const RULES: readonly Rule[] = [
  { on: /^DELETE \/files\/file_id$/, exchange: put(FILE, (made) => made.newFile()) },
  { on: /^GET \/files\/file_id(\/content)?$/, exchange: put(FILE, (made) => made.file) },
  {
    on: /^POST \/fine_tuning\/jobs$/,
    exchange: async ({ body }, { file }) => {
      for (const name of ['training_file', 'validation_file'])
        if (body?.[name] === 'file-abc123') body[name] = file;
    },
    after: stopJob,
  },
  {
    on: /^POST \/fine_tuning\/jobs\/\S+\/cancel$/,
    exchange: put(JOB, (made) => made.newJob()),
  },
  {
    on: /^POST \/fine_tuning\/jobs\/\S+\/pause$/,
    exchange: put(JOB, (made) => made.newJob()),
    after: stopJob,
  },
  {
    on: /^POST \/fine_tuning\/jobs\/\S+\/resume$/,
    exchange: put(JOB, async (made) => {
      const id = await made.newJob();
      await made.client.fineTuning.jobs.pause(id);
      return id;
    }),
    after: stopJob,
  },
  { on: /^GET \/fine_tuning\/jobs\/ft-AF1/, exchange: put(JOB, (made) => made.job) },
  {
    on: /^DELETE \/fine_tuning\/checkpoints\//,
    exchange: async (sent, made) => {
      const id = await made.newPermission();
      await put(CHECKPOINT, () => made.checkpoint)(sent, made);
      await put('cp_zc4Q7MP6XxulcVzj4MZdwsAB', () => id)(sent, made);
    },
  },
  {
    on: /^(GET|POST) \/fine_tuning\/checkpoints\//,
    exchange: put(CHECKPOINT, (made) => made.checkpoint),
  },
  {
    on: /^POST \/uploads\/upload_abc123\/complete$/,
    exchange: async (sent, made) => {
      const upload = await made.newUpload();
      const part = await made.newPart(upload);
      sent.path = sent.path.replace(UPLOAD, upload);
      if (sent.body?.['part_ids']) sent.body['part_ids'] = [part];
      if (sent.body?.['md5'] === 'md5')
        sent.body['md5'] = createHash('md5').update(EXAMPLE).digest('hex');
    },
  },
  { on: /^POST \/uploads\/upload_abc123\//, exchange: put(UPLOAD, (made) => made.newUpload()) },
  {
    on: /^POST \/batches$/,
    exchange: async ({ body }, { batchFile }) => {
      if (body?.['input_file_id'] === 'input_file_id') body['input_file_id'] = batchFile;
    },
  },
  { on: /^GET \/batches\/batch_id$/, exchange: put('batch_id', (made) => made.batch) },
  {
    on: /^POST \/batches\/batch_id\/cancel$/,
    exchange: put('batch_id', (made) => made.newBatch()),
  },
  {
    on: /^DELETE \/models\//,
    exchange: put('ft:gpt-4o-mini:acemeco:suffix:abc123', (made) => made.newModel()),
  },
  {
    on: /^POST \/responses\/resp_677\S+\/cancel$/,
    exchange: put(RESPONSE, (made) => made.newResponse(true)),
  },
  { on: /^\S+ \/responses\/resp_677/, exchange: put(RESPONSE, (made) => made.newResponse()) },
  {
    on: /^GET \/responses\/response_id\//,
    exchange: put('response_id', (made) => made.newResponse()),
  },
  {
    on: /^POST \/responses(\/input_tokens)?$/,
    exchange: async ({ body }, made) => {
      if (body?.['previous_response_id'] !== undefined)
        body['previous_response_id'] = await made.newResponse();
      if (body?.['model'] === 'model') body['model'] = TINY;
    },
  },
  {
    on: /^POST (\/chat)?\/completions$/,
    exchange: async ({ body }) => {
      if (body && 'logit_bias' in body) body['logit_bias'] = { 5: 0 }; // `foo` is no token
    },
  },
];

async function forward(
  server: string,
  made: Made,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const bytes = await bytesOf(request);
  const [path, query = ''] = request.url!.split('?');
  const sent: Sent = {
    path: decodeURIComponent(path!),
    query: new URLSearchParams(query),
    body: jsonOf(request, bytes),
  };
  const rule = RULES.find(({ on }) => on.test(`${request.method} ${sent.path}`));
  const headers = headersOf(request);
  try {
    await rule?.exchange(sent, made);
    await exchangeCursor(server, sent, headers);
    const search = sent.query.size > 0 ? `?${sent.query}` : '';
    const answer = await fetch(`${server}/v1${sent.path}${search}`, {
      method: request.method!,
      headers,
      ...(bytes.length > 0 && { body: sent.body === null ? bytes : JSON.stringify(sent.body) }),
    });
    const body = Buffer.from(await answer.arrayBuffer());
    if (answer.ok) await rule?.after?.(JSON.parse(body.toString()), made);
    response.statusCode = answer.status;
    for (const [name, value] of answer.headers)
      if (!/^(connection|keep-alive|transfer-encoding|content-(length|encoding))$/.test(name))
        response.setHeader(name, value);
    response.end(body);
  } catch (error) {
    // Not an answer of the server: a status that no test can take for one.
    response.statusCode = 599;
    response.end(`the stand-in failed at ${request.method} ${sent.path}: ${error}`);
  }
}

const FILTERS: Readonly<Record<string, string>> = { purpose: 'fine-tune', project_id: 'proj_a' };

/** Filters and cursors of lists are made up too: `after=after`, `purpose=purpose`. */
async function exchangeCursor(
  server: string,
  sent: Sent,
  headers: Record<string, string>,
): Promise<void> {
  const { query } = sent;
  for (const [name, value] of Object.entries(FILTERS))
    if (query.get(name) === name) query.set(name, value);
  if (query.get('after') !== 'after') return;
  const first = new URLSearchParams(query);
  first.delete('after');
  first.set('limit', '1');
  const answer = await fetch(`${server}/v1${sent.path}?${first}`, { headers });
  const { data } = (await answer.json()) as { data?: { id: string }[] };
  if (data?.[0]) query.set('after', data[0].id);
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const skipped = ['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding'];
  return Object.fromEntries(
    Object.entries(request.headers)
      .filter(([name]) => !skipped.includes(name))
      .map(([name, value]) => [name, String(value)]),
  );
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

function jsonOf(request: IncomingMessage, bytes: Buffer): Record<string, unknown> | null {
  if (!request.headers['content-type']?.startsWith('application/json') || bytes.length === 0)
    return null;
  return JSON.parse(bytes.toString());
}
