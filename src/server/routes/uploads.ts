// /v1/uploads: a large file in parts that may arrive in parallel and in any order. Parts wait on disk,
// so that an upload goes on after a restart; `complete` joins them in the order that it is told.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type Context, Hono } from 'hono';
import { unixSeconds } from '../../lib/clock.ts';
import { newId } from '../../lib/id.ts';
import { type FileRow, insertFile } from '../../store/files.ts';
import {
  endUpload,
  getUpload,
  insertPart,
  insertUpload,
  listParts,
  type PartRow,
  partPath,
  removeParts,
  type UploadRow,
} from '../../store/uploads.ts';
import { checkRows } from '../check-rows.ts';
import { type Deps, idOf } from '../deps.ts';
import { invalidValue, missingParameter, uploadEnded, uploadNotFound } from '../errors.ts';
import { removeExpiredUploads } from '../expiry.ts';
import { readBody } from '../read-body.ts';
import { CompleteUpload, createUpload } from '../schemas/uploads.ts';
import { receiveUpload, safeName } from '../upload.ts';
import { wireFile } from './files.ts';

const LIFE_SECONDS = 3600;

export function uploads(deps: Deps): Hono {
  const { store, config, clock } = deps;
  const { query } = store.database;
  const CreateUpload = createUpload(config.uploadLimit);
  const find = async (c: Context): Promise<UploadRow> => {
    const id = idOf(c, uploadNotFound);
    const upload = await getUpload(query, id);
    if (upload === null) throw uploadNotFound(id);
    return upload;
  };
  return new Hono()
    .use(async (_, next) => {
      await removeExpiredUploads(deps);
      await next();
    })
    .post('/', async (c) => {
      const body = await readBody(c, CreateUpload, config);
      const created_at = unixSeconds(clock.now());
      const upload: UploadRow = {
        id: newId('upload_'),
        created_at,
        expires_at: created_at + LIFE_SECONDS,
        filename: safeName(body.filename, 'filename'),
        purpose: body.purpose,
        bytes: body.bytes,
        mime_type: body.mime_type,
        expires_after: body.expires_after?.seconds ?? null,
        status: 'pending',
        file_id: null,
      };
      await insertUpload(query, upload);
      return c.json(wireUpload(upload, null));
    })
    .post('/:id/parts', async (c) => c.json(wirePart(await addPart(await find(c), c, deps))))
    .post('/:id/complete', async (c) => {
      const body = await readBody(c, CompleteUpload, config);
      const upload = pending(await find(c));
      const file = await complete(upload, body, deps);
      return c.json(wireUpload({ ...upload, status: 'completed' }, file));
    })
    .post('/:id/cancel', async (c) => {
      const upload = pending(await find(c));
      const ended = await store.blobs.exclusive(() => endUpload(query, upload.id, 'cancelled'));
      if (ended === null) throw uploadEnded(upload.id, (await find(c)).status);
      await removeParts(store, upload.id);
      return c.json(wireUpload(ended, null));
    });
}

/** The upload, unless it has ended. */
function pending(upload: UploadRow): UploadRow {
  if (upload.status !== 'pending') throw uploadEnded(upload.id, upload.status);
  return upload;
}

/** Throws when it has ended since it was read. */
async function stillPending({ id }: UploadRow, { store }: Deps): Promise<void> {
  pending((await getUpload(store.database.query, id))!); // uploads are never deleted
}

async function addPart(upload: UploadRow, c: Context, deps: Deps): Promise<PartRow> {
  const { store, config, clock } = deps;
  const { query } = store.database;
  pending(upload); // before the bytes are received; again when they are
  const { file } = await receiveUpload(c.req.raw, store.blobs, config.partLimit, 'data');
  if (file === null) throw missingParameter('data');
  const { blob } = file;
  const part: PartRow = {
    id: newId('part_'),
    upload_id: upload.id,
    created_at: unixSeconds(clock.now()),
    bytes: blob.bytes,
  };
  try {
    return await store.blobs.exclusive(async () => {
      await stillPending(upload, deps);
      const before = totalOf(await listParts(query, upload.id));
      if (before + part.bytes > config.uploadLimit)
        throw invalidValue(
          'data',
          `the parts of an upload may have ${config.uploadLimit} bytes in all; with this one they would have ${before + part.bytes}.`,
        );
      await blob.moveTo(partPath(store, upload.id, part.id));
      await insertPart(query, part);
      return part;
    });
  } catch (error) {
    await blob.discard();
    throw error;
  }
}

const totalOf = (parts: readonly PartRow[]) => parts.reduce((sum, { bytes }) => sum + bytes, 0);

async function complete(
  upload: UploadRow,
  { part_ids, md5 }: { part_ids: readonly string[]; md5?: string | undefined },
  deps: Deps,
): Promise<FileRow> {
  const { store, clock } = deps;
  const { database, blobs } = store;
  const parts = inOrder(await listParts(database.query, upload.id), part_ids);
  const total = totalOf(parts);
  if (total !== upload.bytes)
    throw invalidValue(
      'part_ids',
      `these parts have ${total} bytes in all, but the upload was announced with ${upload.bytes}.`,
    );
  const hash = createHash('md5');
  try {
    const blob = await blobs.receive(join(upload, parts, hash, deps));
    try {
      const found = hash.digest('hex');
      if (md5 !== undefined && md5.toLowerCase() !== found)
        throw invalidValue('md5', `the bytes received have the MD5 ${found}, not ${md5}.`);
      await checkRows(upload.purpose, blob.path);
      const file = await blobs.exclusive(async () => {
        await stillPending(upload, deps);
        await blob.keep();
        const created_at = unixSeconds(clock.now());
        const { filename, purpose, expires_after } = upload;
        const expires_at = expires_after === null ? null : created_at + expires_after;
        const { bytes, sha256 } = blob;
        const id = newId('file-');
        return await database.transaction(async (query) => {
          await endUpload(query, upload.id, 'completed', id);
          const row = { id, created_at, expires_at, filename, purpose, bytes, sha256 };
          return await insertFile(query, row);
        });
      });
      await removeParts(store, upload.id);
      return file;
    } catch (error) {
      await blob.discard();
      throw error;
    }
  } catch (error) {
    await stillPending(upload, deps); // a cancel takes the parts away while they are joined
    throw error;
  }
}

async function* join(
  upload: UploadRow,
  parts: readonly PartRow[],
  hash: { update: (bytes: Uint8Array) => unknown },
  { store }: Deps,
): AsyncGenerator<Uint8Array> {
  for (const { id } of parts) {
    for await (const chunk of createReadStream(partPath(store, upload.id, id))) {
      hash.update(chunk as Buffer);
      yield chunk as Buffer;
    }
  }
}

/** Parts that are not named were sent in vain, for instance twice; they go with the upload. */
function inOrder(parts: readonly PartRow[], ids: readonly string[]): PartRow[] {
  const known = new Map(parts.map((part) => [part.id, part]));
  const seen = new Set<string>();
  return ids.map((id, i) => {
    const part = known.get(id);
    if (part === undefined)
      throw invalidValue(`part_ids[${i}]`, `this upload has no part '${id}'.`);
    if (seen.has(id)) throw invalidValue(`part_ids[${i}]`, `'${id}' is named twice.`);
    seen.add(id);
    return part;
  });
}

const wireUpload = (upload: UploadRow, file: FileRow | null) => ({
  id: upload.id,
  object: 'upload',
  bytes: upload.bytes,
  created_at: upload.created_at,
  filename: upload.filename,
  purpose: upload.purpose,
  status: upload.status,
  expires_at: upload.expires_at,
  file: file === null ? null : wireFile(file),
});

const wirePart = ({ id, created_at, upload_id }: PartRow) => ({
  id,
  object: 'upload.part',
  created_at,
  upload_id,
});
