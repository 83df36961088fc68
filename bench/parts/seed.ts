// Fills a fresh data directory with rows that would take hours to make through the API.
import { openStore } from '../../src/store/store.ts';

const PLAN = {
  format: 'chat',
  trainRows: 1000,
  validRows: 100,
  tokensPerEpoch: 200_000,
  targetTokensPerEpoch: 100_000,
  hyperparameters: { n_epochs: 3, batch_size: 2, learning_rate_multiplier: 1 },
  learningRate: 1e-3,
  precision: 'f32',
  threads: 2,
  contextLength: 2048,
  totalSteps: 1500,
  trainedTokens: 600_000,
  memoryBytes: 1e9,
  estimatedSeconds: 600,
  cut: [],
};

/** Jobs `ftjob-1` … `ftjob-N`, every tenth with metadata. */
export async function seedJobs(
  directory: string,
  count: number,
  status: 'cancelled' | 'paused' = 'cancelled',
): Promise<void> {
  const store = await openStore(directory);
  await store.database.query(
    `insert into fine_tuning_jobs (id, created_at, status, model, base_model, base_file, output_model,
       organization_id, training_file, seed, metadata, hyperparameters, options, plan)
     select 'ftjob-' || n, 1700000000 + n, $2, 'tiny', 'tiny', 'tiny.gguf', 'ft:tiny:x::' || n,
       'org-bench', 'file-' || n, n, case when n % 10 = 0 then '{"team":"a"}'::jsonb end,
       '{"n_epochs":3,"batch_size":"auto","learning_rate_multiplier":"auto"}', '{}', $3
     from generate_series(1, $1::int) n`,
    [count, status, JSON.stringify(PLAN)],
  );
  await store.close();
}

/** Files `file-1` … `file-N` that share no bytes with any blob: to be listed, not read. */
export async function seedFiles(directory: string, count: number): Promise<void> {
  const store = await openStore(directory);
  await store.database.query(
    `insert into files (id, created_at, filename, purpose, bytes, sha256)
     select 'file-' || n, 1700000000 + n, 'rows-' || n || '.jsonl',
       case when n % 10 = 0 then 'batch' else 'fine-tune' end, 1000, 'none-' || n
     from generate_series(1, $1::int) n`,
    [count],
  );
  await store.close();
}

/** Messages of the job `ftjob-1`. */
export async function seedEvents(directory: string, count: number): Promise<void> {
  const store = await openStore(directory);
  await store.database.query(
    `insert into fine_tuning_events (id, job_id, created_at, level, type, message, data)
     select 'ftevent-' || n, 'ftjob-1', 1700000000, 'info', 'message', 'Message ' || n, '{}'
     from generate_series(1, $1::int) n`,
    [count],
  );
  await store.close();
}
