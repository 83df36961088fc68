// /v1/files: upload, list, read, download, delete. A training file is checked row by row before it is
// accepted, so that a mistake costs seconds and not a job.
import { Readable } from 'node:stream';
import { type Context, Hono } from 'hono';
import { unixSeconds } from '../../lib/clock.ts';
import { newId } from '../../lib/id.ts';
import { type FileRow, getFile, listFiles, saveFile } from '../../store/files.ts';
import { openJobsReading } from '../../store/jobs.ts';
import { checkRows } from '../check-rows.ts';
import { type Deps, idOf } from '../deps.ts';
import { fileNotFound, missingParameter } from '../errors.ts';
import { removeExpired } from '../expiry.ts';
import { pageOf, readQuery } from '../schemas/common.ts';
import { ListFiles, readUploadFields } from '../schemas/files.ts';
import { receiveUpload } from '../upload.ts';

export function files(deps: Deps): Hono {
  const { store, jobs } = deps;
  const find = async (c: Context): Promise<FileRow> => {
    const id = idOf(c, fileNotFound);
    const file = await getFile(store.database.query, id);
    if (file === null) throw fileNotFound(id);
    return file;
  };
  return new Hono()
    .use(async (_, next) => {
      await removeExpired(deps);
      await next();
    })
    .post('/', async (c) => c.json(wireFile(await upload(c.req.raw, deps))))
    .get('/', async (c) => {
      const { purpose, order, ...query } = readQuery(c.req.url, ListFiles);
      const page = { ...pageOf(query), order };
      const { data, hasMore } = await listFiles(store.database.query, page, purpose ?? null);
      return c.json({
        object: 'list',
        data: data.map(wireFile),
        first_id: data[0]?.id ?? null,
        last_id: data.at(-1)?.id ?? null,
        has_more: hasMore,
      });
    })
    .get('/:id', async (c) => c.json(wireFile(await find(c))))
    .delete('/:id', async (c) => {
      const { id } = await find(c);
      const used_by = await openJobsReading(store.database.query, id);
      if (!(await jobs.deleteFile(id))) throw fileNotFound(id);
      // These jobs have their own link to the bytes and go on.
      const users = used_by.length === 0 ? {} : { tunery: { used_by } };
      return c.json({ id, object: 'file', deleted: true, ...users });
    })
    .get('/:id/content', async (c) => {
      const file = await find(c);
      const body = Readable.toWeb(store.blobs.read(file.sha256)) as ReadableStream<Uint8Array>;
      return c.body(body, 200, {
        'content-type': 'application/octet-stream',
        'content-length': String(file.bytes),
        'content-disposition': disposition(file.filename),
        'x-content-type-options': 'nosniff',
      });
    });
}

async function upload(request: Request, deps: Deps): Promise<FileRow> {
  const { store, config, clock } = deps;
  const { fields, file } = await receiveUpload(request, store.blobs, config.fileLimit);
  try {
    const { purpose, expires_after } = readUploadFields(fields);
    if (file === null) throw missingParameter('file');
    await checkRows(purpose, file.blob.path);
    const created_at = unixSeconds(clock.now());
    const row = {
      id: newId('file-'),
      created_at,
      expires_at: expires_after === undefined ? null : created_at + expires_after.seconds,
      filename: file.filename,
      purpose,
    };
    return await saveFile(store.database, store.blobs, row, file.blob);
  } catch (error) {
    await file?.blob.discard();
    throw error;
  }
}

export const wireFile = (file: FileRow) => ({
  object: 'file',
  id: file.id,
  purpose: file.purpose,
  filename: file.filename,
  bytes: file.bytes,
  created_at: file.created_at,
  // Absent and not null for a file that stays: the published type knows no null here.
  ...(file.expires_at === null ? {} : { expires_at: file.expires_at }),
  status: 'processed',
  status_details: null,
});

/** RFC 6266: an ASCII form for old clients, the exact name for the others. */
function disposition(filename: string): string {
  const ascii = filename.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const exact = encodeURIComponent(filename).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return ascii === filename
    ? `attachment; filename="${ascii}"`
    : `attachment; filename="${ascii}"; filename*=UTF-8''${exact}`;
}
