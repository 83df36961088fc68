// What the server's routes call: files of requests that the server sends to itself, within a day.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, unixSeconds } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { newId } from '../lib/id.ts';
import type { Log } from '../lib/log.ts';
import {
  type BatchRow,
  getBatch,
  insertBatch,
  listBatches,
  openBatches,
  updateBatch,
} from '../store/batches.ts';
import { type FileRow, getFile } from '../store/files.ts';
import type { Page, PageRequest } from '../store/page.ts';
import type { Store } from '../store/store.ts';
import { type Send, turnsOf } from './execute.ts';
import type { Progress } from './progress.ts';
import { batchDirectory, ENDED, INPUT_COPY, runBatch, type StopReason } from './run.ts';

export type { Send } from './execute.ts';

export type CreateBatch = {
  readonly input_file_id: string;
  readonly endpoint: string;
  readonly completion_window: string;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Seconds; null: for ever. */
  readonly output_expires_after: number | null;
  readonly organization: string;
  readonly keyId: string | null;
};

export type BatchesOptions = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly send: Send;
  /** Requests at a time, of all batches together. */
  readonly parallel: number;
};

export type Batches = {
  readonly create: (request: CreateBatch) => Promise<BatchRow>;
  /** Null: unknown. */
  readonly get: (id: string) => Promise<BatchRow | null>;
  readonly list: (page: PageRequest) => Promise<Page<BatchRow>>;
  /** Null: unknown. Throws when it has ended or ends just now. */
  readonly cancel: (id: string) => Promise<BatchRow | null>;
  /** Begins work on what waits, and on what a killed server left behind. */
  readonly start: () => Promise<void>;
  /** Interrupts requests; their batches go on at the next start. */
  readonly close: () => Promise<void>;
};

const WINDOW_SECONDS = 24 * 3600;
const AT_A_TIME = 8; // batches; more wait for these
const TICK_MS = 1000;

type Active = {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  readonly expiresAt: number;
  progress: Progress | null;
};

export function createBatches({ store, clock, log, send, parallel }: BatchesOptions): Batches {
  const { query } = store.database;
  const seconds = () => unixSeconds(clock.now());
  const parts = { store, send, turns: turnsOf(parallel), width: parallel, seconds };
  const active = new Map<string, Active>();
  let open = false;
  let admitting: Promise<void> = Promise.resolve();

  async function admit(): Promise<void> {
    if (!open || active.size >= AT_A_TIME) return;
    for (const batch of await openBatches(query))
      if (open && active.size < AT_A_TIME && !active.has(batch.id)) begin(batch);
  }
  const wake = () => {
    admitting = admitting.then(admit).catch((err) => log.error({ event: 'batches.fail', err }));
  };
  function begin({ id, expires_at }: BatchRow): void {
    const stop = new AbortController();
    const ended = Promise.resolve()
      .then(() => runBatch(parts, id, stop.signal, (progress) => watch(id, progress)))
      .catch((error) => failed(id, error))
      .finally(() => {
        active.delete(id);
        wake();
      });
    active.set(id, { stop, ended, expiresAt: expires_at, progress: null });
  }
  function watch(id: string, progress: Progress): void {
    const one = active.get(id);
    if (one !== undefined) one.progress = progress;
  }
  async function failed(id: string, error: unknown): Promise<void> {
    log.error({ event: 'batch.fail', batchId: id, err: error });
    const message = 'The server had an error while processing this batch; its log has the details.';
    const errors = [{ code: 'server_error', message, param: null, line: null }];
    const from = ['validating', 'in_progress', 'finalizing', 'cancelling'] as const;
    const changes = { status: 'failed', failed_at: seconds(), errors } as const;
    try {
      await updateBatch(query, id, from, changes);
      await rm(batchDirectory(store, id), { recursive: true, force: true });
    } catch (err) {
      log.error({ event: 'batches.stop', batchId: id, err }); // nothing can be stored; no use in going on
      open = false;
    }
  }
  const interrupt = (id: string, reason: StopReason) => active.get(id)?.stop.abort(reason);
  const timer = setInterval(() => {
    for (const [id, { expiresAt }] of active) if (seconds() >= expiresAt) interrupt(id, 'expired');
  }, TICK_MS).unref();

  /** With the numbers of this moment. */
  const live = (batch: BatchRow): BatchRow => {
    const progress = active.get(batch.id)?.progress;
    const moving = progress && !ENDED.includes(batch.status);
    return moving ? { ...batch, ...progress.counts(), usage: progress.usage() } : batch;
  };
  return {
    create: async (request) => {
      const batch = await createBatch(store, request, seconds());
      wake();
      return batch;
    },
    get: async (id) => {
      const batch = await getBatch(query, id);
      return batch && live(batch);
    },
    list: async (page) => {
      const { data, hasMore } = await listBatches(query, page);
      return { data: data.map(live), hasMore };
    },
    cancel: async (id) => {
      const changes = { status: 'cancelling', cancelling_at: seconds() } as const;
      const batch = await updateBatch(query, id, ['validating', 'in_progress'], changes);
      if (batch === null) return refusedCancel(await getBatch(query, id));
      interrupt(id, 'cancelled');
      wake();
      return live(batch);
    },
    start: async () => {
      await removeStrays(store);
      open = true;
      wake();
      await admitting;
    },
    close: async () => {
      open = false;
      clearInterval(timer);
      await admitting;
      for (const id of active.keys()) interrupt(id, 'closing');
      await Promise.all([...active.values()].map(({ ended }) => ended));
    },
  };
}

/** Asking twice is no mistake; asking too late is. */
function refusedCancel(batch: BatchRow | null): BatchRow | null {
  if (batch === null || batch.status === 'cancelling') return batch;
  const message = `Cannot cancel a batch with status '${batch.status}'.`;
  throw new CodedError('invalid_batch_status', message);
}

async function createBatch(store: Store, request: CreateBatch, now: number): Promise<BatchRow> {
  const { keyId, organization, ...fields } = request;
  const id = newId('batch_');
  const directory = batchDirectory(store, id);
  try {
    // Nobody may delete the bytes between the look-up and the link.
    return await store.blobs.exclusive(async () => {
      const file = await inputFile(store, request.input_file_id);
      await mkdir(directory, { recursive: true });
      await store.blobs.link(file.sha256, join(directory, INPUT_COPY));
      return await insertBatch(store.database.query, {
        ...fields,
        id,
        created_at: now,
        expires_at: now + WINDOW_SECONDS,
        organization_id: organization,
        key_id: keyId,
      });
    });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Folders that a crash left between being made and being needed, or between its batch's end and theirs. */
async function removeStrays(store: Store): Promise<void> {
  const open = (await openBatches(store.database.query)).map(({ id }) => id);
  const folder = join(store.directory, 'batches');
  const names = await readdir(folder).catch(() => []); // no batch yet
  for (const name of names)
    if (!open.includes(name)) await rm(join(folder, name), { recursive: true, force: true });
}

async function inputFile(store: Store, id: string): Promise<FileRow> {
  const file = await getFile(store.database.query, id);
  const reason =
    file === null
      ? 'There is no such file; upload one with purpose batch.'
      : file.purpose === 'batch'
        ? null
        : `Its purpose is '${file.purpose}'; upload it with purpose batch.`;
  if (file !== null && reason === null) return file;
  const message = `invalid input_file_id: ${id}. ${reason}`;
  throw new CodedError('invalid_input_file', message, { param: 'input_file_id' });
}
