// Rows of the `uploads` and `upload_parts` tables, and where the bytes of parts wait. An upload leaves
// `pending` once; who changes that, or adds a part, does it inside `blobs.exclusive`.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Query } from './database.ts';
import type { Store } from './store.ts';

type UploadStatus = 'pending' | 'completed' | 'cancelled' | 'expired';
export type UploadRow = {
  readonly id: string;
  readonly created_at: number;
  readonly expires_at: number;
  readonly filename: string;
  readonly purpose: string;
  /** As announced. */
  readonly bytes: number;
  readonly mime_type: string;
  /** Seconds that the file will live; null: until it is deleted. */
  readonly expires_after: number | null;
  readonly status: UploadStatus;
  readonly file_id: string | null;
};
export type PartRow = {
  readonly id: string;
  readonly upload_id: string;
  readonly created_at: number;
  readonly bytes: number;
};

const COLUMNS =
  'id, created_at, expires_at, filename, purpose, bytes, mime_type, expires_after, status, file_id';

export async function insertUpload(query: Query, upload: UploadRow): Promise<void> {
  await query(`insert into uploads (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, [
    upload.id,
    upload.created_at,
    upload.expires_at,
    upload.filename,
    upload.purpose,
    upload.bytes,
    upload.mime_type,
    upload.expires_after,
    upload.status,
    upload.file_id,
  ]);
}

export async function getUpload(query: Query, id: string): Promise<UploadRow | null> {
  const [row] = await query<UploadRow>(`select ${COLUMNS} from uploads where id = $1`, [id]);
  return row ?? null;
}

/** Null when the upload is not pending any more. */
export async function endUpload(
  query: Query,
  id: string,
  status: UploadStatus,
  fileId: string | null = null,
): Promise<UploadRow | null> {
  const [row] = await query<UploadRow>(
    `update uploads set status = $2, file_id = $3 where id = $1 and status = 'pending' returning ${COLUMNS}`,
    [id, status, fileId],
  );
  return row ?? null;
}

/** Ends what was not completed in time; returns the ids. */
export async function expireUploads(query: Query, now: number): Promise<string[]> {
  const rows = await query<{ id: string }>(
    `update uploads set status = 'expired' where status = 'pending' and expires_at <= $1 returning id`,
    [now],
  );
  return rows.map(({ id }) => id);
}

export async function insertPart(query: Query, part: PartRow): Promise<void> {
  await query(
    'insert into upload_parts (id, upload_id, created_at, bytes) values ($1, $2, $3, $4)',
    [part.id, part.upload_id, part.created_at, part.bytes],
  );
}

export function listParts(query: Query, uploadId: string): Promise<PartRow[]> {
  return query('select id, upload_id, created_at, bytes from upload_parts where upload_id = $1', [
    uploadId,
  ]);
}

type Place = Pick<Store, 'directory'>;
export const partPath = ({ directory }: Place, uploadId: string, partId: string) =>
  join(directory, 'uploads', uploadId, partId);

export const removeParts = ({ directory }: Place, uploadId: string) =>
  rm(join(directory, 'uploads', uploadId), { recursive: true, force: true });

/** Bytes of uploads that ended just before the server was killed. */
export async function removeStrayParts(store: Pick<Store, 'directory' | 'database'>) {
  const folders = await readdir(join(store.directory, 'uploads')).catch(() => []);
  for (const id of folders) {
    if ((await getUpload(store.database.query, id))?.status !== 'pending')
      await removeParts(store, id);
  }
}
