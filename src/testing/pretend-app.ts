// The HTTP surface over jobs whose children only pretend to train, with the official client in front: for
// tests of what a client sees of jobs. A model file `Tiny-1M` is there; rows are a script of the child.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import OpenAI from 'openai';
import { onTestFinished } from 'vitest';
import { createJobs, type JobsOptions } from '../jobs/jobs.ts';
import { launchProcess } from '../jobs/launcher/process.ts';
import { systemClock } from '../lib/clock.ts';
import { createLog } from '../lib/log.ts';
import type { Config } from '../server/config.ts';
import type { Store } from '../store/store.ts';
import { countingApp } from './counting-app.ts';
import type { Script } from './pretend-worker.ts';
import { addFile } from './temporary-store.ts';

const launch = launchProcess(new URL('./pretend-worker.ts', import.meta.url));

export async function pretendApp(
  store: Store,
  { config = {}, ...more }: Partial<JobsOptions> & { readonly config?: Partial<Config> } = {},
) {
  await mkdir(join(store.directory, 'models'), { recursive: true });
  await writeFile(join(store.directory, 'models', 'Tiny-1M.Q4_1.gguf'), 'GGUF and no more');
  const jobs = createJobs({
    store,
    clock: systemClock,
    log: createLog('silent'),
    score: async () => [-1.01, -2.01],
    modelsDirs: [],
    organization: 'org-acme',
    retryMs: 1,
    launch,
    wandb: config.wandb ?? null,
    ...more,
  });
  await jobs.start();
  onTestFinished(() => jobs.close());
  const app = countingApp({ store, jobs, config });
  const client = new OpenAI({
    apiKey: 'sk-test',
    adminAPIKey: 'sk-admin',
    baseURL: 'http://localhost/v1',
    maxRetries: 0,
    fetch: async (url, init) => {
      await setImmediate(); // the database answers without any; children must get a word in
      return await app.request(url instanceof Request ? url : String(url), init);
    },
  });
  const scripted = async (script: Script = {}) => (await addFile(store, JSON.stringify(script))).id;
  const create = async (
    script: Script = {},
    params: Partial<OpenAI.FineTuning.JobCreateParams> = {},
  ) =>
    client.fineTuning.jobs.create({
      model: 'tiny-1m',
      training_file: await scripted(script),
      ...params,
    });
  return { app, jobs, client, create, scripted };
}

export type PretendApp = Awaited<ReturnType<typeof pretendApp>>;

/** The job once it is as wanted. */
export async function until(
  { client }: Pick<PretendApp, 'client'>,
  id: string,
  reached: (job: OpenAI.FineTuning.FineTuningJob) => boolean,
): Promise<OpenAI.FineTuning.FineTuningJob> {
  while (true) {
    const job = await client.fineTuning.jobs.retrieve(id);
    if (reached(job)) return job;
    if (job.error?.message) throw new Error(job.error.message);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
