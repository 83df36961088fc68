// The real things behind the ids that the SDKs' tests make up: files, jobs, checkpoints, uploads, batches,
// responses, made through the official client. What a test uses up is made anew for each.
import OpenAI, { toFile } from 'openai';
import { TINY } from './server.ts';

export type Made = Awaited<ReturnType<typeof make>>;

export async function make(url: string) {
  const client = new OpenAI({
    apiKey: 'sk-test',
    adminAPIKey: 'sk-test',
    baseURL: `${url}/v1`,
    maxRetries: 0,
  });
  const { jobs, checkpoints } = client.fineTuning;
  const upload = async (name: string, rows: readonly object[], purpose: OpenAI.FilePurpose) => {
    const text = rows.map((row) => JSON.stringify(row)).join('\n');
    const file = await toFile(Buffer.from(text), name);
    return (await client.files.create({ file, purpose })).id;
  };
  const file = await upload('rows.jsonl', pairs(12), 'fine-tune');
  const newJob = async (hyperparameters: object) => {
    const method = { type: 'supervised' as const, supervised: { hyperparameters } };
    const metadata = { foo: 'string' }; // the tests filter by it
    return (await jobs.create({ model: TINY, training_file: file, method, metadata })).id;
  };
  const trained = async (hyperparameters: object) => {
    const id = await newJob(hyperparameters);
    const job = await until(() => jobs.retrieve(id), ['succeeded', 'failed', 'cancelled']);
    if (job.status !== 'succeeded') throw new Error(`${id}: ${JSON.stringify(job.error)}`);
    return job;
  };
  const job = await trained({ n_epochs: 2, batch_size: 4 });
  const checkpoint = (await jobs.checkpoints.list(job.id)).data[0]!;
  const line = { model: TINY, input: 'Hi', max_output_tokens: 16 };
  const batchFile = await upload(
    'batch.jsonl',
    [{ custom_id: 'a', method: 'POST', url: '/v1/responses', body: line }],
    'batch',
  );
  const newBatch = () =>
    client.batches.create({
      input_file_id: batchFile,
      endpoint: '/v1/responses',
      completion_window: '24h',
    });
  const { id: batch } = await newBatch();
  await until(() => client.batches.retrieve(batch), ['completed', 'failed']);
  const deletable: string[] = [];
  const newPermission = async (project = 'proj_b') =>
    (
      await checkpoints.permissions.create(checkpoint.fine_tuned_model_checkpoint, {
        project_ids: [project],
      })
    ).data[0]!.id;
  await newPermission('proj_a');

  return {
    client,
    file,
    job: job.id,
    checkpoint: checkpoint.fine_tuned_model_checkpoint,
    batchFile,
    batch,
    upload,
    newFile: () => upload('rows.jsonl', pairs(12), 'fine-tune'),
    trained,
    /** Trains until it is stopped. */
    newJob: () => newJob({ n_epochs: 50, batch_size: 1 }),
    newBatch: async () => (await newBatch()).id,
    newUpload: async () =>
      (
        await client.uploads.create({
          filename: 'README.md',
          bytes: EXAMPLE.length,
          mime_type: 'text/plain',
          purpose: 'assistants',
        })
      ).id,
    newPart: async (upload: string) =>
      (await client.uploads.parts.create(upload, { data: await toFile(EXAMPLE, 'README.md') })).id,
    newPermission,
    newResponse: async (background = false) =>
      (await client.responses.create({ ...line, background, store: true })).id,
    /** Checkpoints of a job are models of their own; a job with many epochs is a supply of them. */
    newModel: async () => {
      if (deletable.length === 0) {
        const { id } = await trained({ n_epochs: 30, batch_size: 12 });
        for await (const each of jobs.checkpoints.list(id))
          deletable.push(each.fine_tuned_model_checkpoint);
      }
      return deletable.pop()!;
    },
  };
}

/** What the SDKs' tests upload as a part. */
export const EXAMPLE = Buffer.from('Example data');

export const pairs = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    prompt: `Tim saw ${i} things ->`,
    completion: ' red balls in the park. END',
  }));

export async function until<T extends { status?: string | undefined }>(
  get: () => Promise<T>,
  statuses: readonly string[],
): Promise<T> {
  for (;;) {
    const found = await get();
    if (statuses.includes(found.status ?? '')) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
