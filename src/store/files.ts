// Rows of the `files` table; the bytes are in blobs.ts under their SHA-256.
import type { Blobs, ReceivedBlob } from './blobs.ts';
import type { Database, Query } from './database.ts';
import { listPage, type Page, type PageRequest, rememberPlace } from './page.ts';

export type FileRow = {
  readonly id: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly sha256: string;
};
export type NewFile = Omit<FileRow, 'bytes' | 'sha256'>;

const COLUMNS = 'id, created_at, expires_at, filename, purpose, bytes, sha256';

/** Keeps what was received and registers it; on return both survive a crash. */
export function saveFile(
  database: Database,
  blobs: Blobs,
  file: NewFile,
  received: ReceivedBlob,
): Promise<FileRow> {
  return blobs.exclusive(async () => {
    await received.keep();
    return await database.transaction((query) =>
      insertFile(query, { ...file, bytes: received.bytes, sha256: received.sha256 }),
    );
  });
}

/** The bytes must have been kept before; `saveFile` does both. */
export async function insertFile(query: Query, file: FileRow): Promise<FileRow> {
  const { id, created_at, expires_at, filename, purpose, bytes, sha256 } = file;
  const [row] = await query<FileRow>(
    `insert into files (${COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7) returning ${COLUMNS}`,
    [id, created_at, expires_at, filename, purpose, bytes, sha256],
  );
  return row!; // an insert without conflict clause returns its row
}

export async function getFile(query: Query, id: string): Promise<FileRow | null> {
  const [row] = await query<FileRow>(`select ${COLUMNS} from files where id = $1`, [id]);
  return row ?? null;
}

export function listFiles(
  query: Query,
  page: PageRequest,
  purpose: string | null = null,
): Promise<Page<FileRow>> {
  const filter = purpose === null ? {} : { where: 'purpose = $1', params: [purpose] };
  return listPage(query, { table: 'files', columns: COLUMNS, ...filter }, page);
}

/** Removes the row, and the bytes when no other file has the same. False: there was no such file. */
export function deleteFile(database: Database, blobs: Blobs, id: string): Promise<boolean> {
  return blobs.exclusive(async () => {
    const sha256 = await database.transaction(async (query) => {
      const [gone] = await query<{ sha256: string; seq: number }>(
        'delete from files where id = $1 returning sha256, seq',
        [id],
      );
      if (gone !== undefined) await rememberPlace(query, id, gone.seq);
      return gone?.sha256;
    });
    if (sha256 === undefined) return false;
    const users = await database.query('select 1 from files where sha256 = $1 limit 1', [sha256]);
    if (users.length === 0) await blobs.remove(sha256);
    return true;
  });
}
