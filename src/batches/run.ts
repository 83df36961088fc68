// One batch from where it stands to its end: checks the input, sends the requests, makes the result files.
// Every step can be cut off by a crash and begun again.
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '../lib/id.ts';
import {
  type BatchChanges,
  type BatchRow,
  type BatchStatus,
  getBatch,
  updateBatch,
} from '../store/batches.ts';
import type { ReceivedBlob } from '../store/blobs.ts';
import { insertFile } from '../store/files.ts';
import type { Store } from '../store/store.ts';
import { execute, outputLine, type Send, type Turns } from './execute.ts';
import { checkInput, requestsOf } from './input.ts';
import { type Kind, openProgress, type Progress, progressFile } from './progress.ts';

export type Parts = {
  readonly store: Store;
  readonly send: Send;
  readonly turns: Turns;
  readonly width: number;
  /** Unix seconds. */
  readonly seconds: () => number;
};

/** Why a batch stops before all its requests are answered. */
export type StopReason = 'cancelled' | 'expired' | 'closing';

export const batchDirectory = ({ directory }: Pick<Store, 'directory'>, id: string) =>
  join(directory, 'batches', id);
export const INPUT_COPY = 'input.jsonl';

export async function runBatch(
  parts: Parts,
  id: string,
  signal: AbortSignal,
  watch: (progress: Progress) => void,
): Promise<void> {
  const { database } = parts.store;
  const directory = batchDirectory(parts.store, id);
  const before = await getBatch(database.query, id);
  if (before?.status === 'validating') await validate(parts, before, signal);
  const batch = await getBatch(database.query, id);
  if (batch === null || signal.reason === 'closing') return;
  if (['in_progress', 'cancelling', 'finalizing'].includes(batch.status)) {
    const progress = await openProgress(directory);
    try {
      watch(progress);
      await finish(parts, batch, progress, signal);
    } finally {
      await progress.close();
      // For who asks before the next start has counted again.
      await updateBatch(database.query, id, OPEN, progress.counts());
    }
  }
  const end = await getBatch(database.query, id);
  if (end !== null && ENDED.includes(end.status))
    await rm(directory, { recursive: true, force: true });
}

export const ENDED: readonly BatchStatus[] = ['completed', 'failed', 'expired', 'cancelled'];

async function validate({ store, seconds }: Parts, batch: BatchRow, signal: AbortSignal) {
  const path = join(batchDirectory(store, batch.id), INPUT_COPY);
  const { total, model, problems } = await checkInput(path, batch.endpoint);
  if (signal.aborted && signal.reason === 'closing') return;
  const changes: BatchChanges =
    problems.length > 0
      ? { status: 'failed', failed_at: seconds(), errors: problems }
      : { status: 'in_progress', in_progress_at: seconds(), total, model };
  await updateBatch(store.database.query, batch.id, ['validating'], changes);
}

async function finish(parts: Parts, batch: BatchRow, progress: Progress, signal: AbortSignal) {
  const { store, seconds } = parts;
  const lines = () => requestsOf(join(batchDirectory(store, batch.id), INPUT_COPY), batch.endpoint);
  let status = batch.status;
  if (status === 'in_progress') {
    if (seconds() < batch.expires_at) await execute(lines(), { ...parts, batch, progress, signal });
    const reason = signal.aborted ? (signal.reason as StopReason) : null;
    if (reason === 'closing') return;
    if (reason === 'expired' || seconds() >= batch.expires_at)
      return await end(parts, batch, progress, lines, 'expired');
    const at = { status: 'finalizing', finalizing_at: seconds() } as const;
    const next = await updateBatch(store.database.query, batch.id, ['in_progress'], at);
    status = next?.status ?? 'cancelling'; // else it was cancelled meanwhile
  }
  if (status === 'finalizing') await conclude(parts, batch, progress, 'completed');
  else await end(parts, batch, progress, lines, 'cancelled');
}

const UNANSWERED = {
  cancelled: {
    code: 'batch_cancelled',
    message: 'This request was not executed because the batch was cancelled.',
  },
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
} as const;
const AT_A_TIME = 1000;

/** Says of every request without an answer why it has none. */
async function end(
  parts: Parts,
  batch: BatchRow,
  progress: Progress,
  lines: () => ReturnType<typeof requestsOf>,
  status: 'cancelled' | 'expired',
) {
  const flush = (ids: string[]) =>
    progress.append(
      'error',
      ids.splice(0).map((customId) => outputLine(customId, { error: UNANSWERED[status] })),
    );
  const ids: string[] = [];
  // A batch that was cancelled before its input was checked has no requests.
  if (batch.total > 0)
    for await (const { customId } of lines()) {
      if (!progress.has(customId)) ids.push(customId);
      if (ids.length === AT_A_TIME) await flush(ids);
    }
  if (ids.length > 0) await flush(ids);
  await conclude(parts, batch, progress, status);
}

/** Result files and the last state are one transaction. */
async function conclude(
  { store, seconds }: Parts,
  batch: BatchRow,
  progress: Progress,
  status: 'completed' | 'cancelled' | 'expired',
): Promise<void> {
  const { database, blobs } = store;
  const now = seconds();
  const results = await Promise.all(KINDS.map(received(store, batch)));
  await blobs.exclusive(async () => {
    for (const result of results) await result?.keep();
    await database.transaction(async (query) => {
      const ids = await Promise.all(
        results.map(async (result, i) => {
          if (result === null) return null;
          const { bytes, sha256 } = result;
          const filename = `${batch.id}_${KINDS[i]}.jsonl`;
          const expires_at =
            batch.output_expires_after === null ? null : now + batch.output_expires_after;
          const head = { id: newId('file-'), created_at: now, expires_at, filename };
          const file = { ...head, purpose: 'batch_output', bytes, sha256 };
          return (await insertFile(query, file)).id;
        }),
      );
      await updateBatch(query, batch.id, OPEN, {
        status,
        [`${status}_at`]: now,
        output_file_id: ids[0]!,
        error_file_id: ids[1]!,
        usage: progress.usage(),
        ...progress.counts(),
      });
    });
  });
}

const KINDS: readonly Kind[] = ['output', 'error'];
const OPEN: readonly BatchStatus[] = ['in_progress', 'finalizing', 'cancelling'];

/** Null: nothing was written. */
const received =
  (store: Store, { id }: BatchRow) =>
  async (kind: Kind): Promise<ReceivedBlob | null> => {
    const path = progressFile(batchDirectory(store, id), kind);
    if ((await stat(path)).size === 0) return null;
    return await store.blobs.receive(createReadStream(path));
  };
