// Sends a file that is too large for one request in parts, one after the other; the server joins them.
import { z } from 'zod';
import type { Client } from './client.ts';
import { FileObject } from './wire.ts';

/** The largest file that the API takes in one piece. */
export const LARGEST_FILE = 512 * 1024 * 1024;
const PART_BYTES = 64 * 1024 * 1024;

const Named = z.object({ id: z.string() });
const Completed = z.object({ file: FileObject });

export async function uploadInParts(
  { post, raw }: Pick<Client, 'post' | 'raw'>,
  file: Blob,
  { filename, purpose }: { readonly filename: string; readonly purpose: string },
  partBytes = PART_BYTES,
): Promise<FileObject> {
  const announced = { filename, purpose, bytes: file.size, mime_type: 'text/jsonl' };
  const upload = await post('/uploads', announced, Named);
  const part_ids: string[] = [];
  try {
    for (let at = 0; at < file.size; at += partBytes) {
      const form = new FormData();
      form.append('data', file.slice(at, at + partBytes), 'part');
      const response = await raw(`/uploads/${upload.id}/parts`, { method: 'POST', body: form });
      part_ids.push(Named.parse(await response.json()).id);
    }
    return (await post(`/uploads/${upload.id}/complete`, { part_ids }, Completed)).file;
  } catch (error) {
    // Else the parts lie on the server's disk for an hour; what went wrong matters more than this.
    await post(`/uploads/${upload.id}/cancel`, {}, Named).catch(() => {});
    throw error;
  }
}
