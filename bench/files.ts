// The server's memory while large files pass through it: an upload in one piece, an upload in parts that
// arrive in parallel, and a download. Every row of both files is checked on the way.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Args, count, cpu } from './parts/measure.ts';
import { peakDuring, residentMemory } from './parts/memory.ts';
import { type BenchServer, startBenchServer, TINY } from './parts/server.ts';

const MIB = 2 ** 20;
const SETTLE_MS = 10_000; // the start leaves garbage that is collected a while later

/** Options: --mb 512, --upload-mb 1024, --part-mb 64, --parallel 4. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(join(tmpdir(), 'tunery-bench-files-'));
  try {
    const server = await startBenchServer(TINY, directory);
    await sendFile(server, MIB); // what the first request brings up is no part of the figure
    await sleep(SETTLE_MS);
    const before = residentMemory(server.pid);
    const rows: Record<string, unknown> = {};
    const measured = async (name: string, bytes: number, work: () => Promise<string>) => {
      const started = performance.now();
      const { value, peak } = await peakDuring(server.pid, work);
      const seconds = (performance.now() - started) / 1000;
      const mb = bytes / MIB;
      rows[name] = {
        mb,
        seconds,
        mb_per_second: mb / seconds,
        peak_mb: peak,
        grown_mb: peak - before,
      };
      return value;
    };
    const mb = count(args, 'mb', 512);
    const id = await measured('file', mb * MIB, () => sendFile(server, mb * MIB));
    await measured('download', mb * MIB, () => download(server, id, mb * MIB));
    const uploadMb = count(args, 'upload-mb', 1024);
    const partBytes = count(args, 'part-mb', 64) * MIB;
    const parallel = count(args, 'parallel', 4);
    await measured('upload_in_parts', uploadMb * MIB, () =>
      sendParts(server, uploadMb * MIB, partBytes, parallel),
    );
    const after = residentMemory(server.pid);
    await server.close();
    return { before_mb: before, ...rows, after_mb: after, cpu: cpu() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const LINE = 1024; // divides a MiB, so that every chunk ends with a line

/** Rows of training data, the chunk's number in each. */
function chunk(number: number, bytes: number): Buffer {
  const start = `{"prompt":"${String(number).padStart(8, '0')}","completion":"`;
  const line = `${start}${'x'.repeat(LINE - start.length - 3)}"}\n`;
  return Buffer.from(line.repeat(bytes / LINE));
}

async function sendFile({ url }: BenchServer, bytes: number): Promise<string> {
  const head =
    '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n' +
    '--b\r\nContent-Disposition: form-data; name="file"; filename="rows.jsonl"\r\n\r\n';
  async function* body() {
    yield Buffer.from(head);
    for (let i = 0; i < bytes / MIB; i++) yield chunk(i, MIB);
    yield Buffer.from('\r\n--b--\r\n');
  }
  const response = await fetch(`${url}/files`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: body(),
    duplex: 'half',
  } as RequestInit);
  const file = (await response.json()) as { id: string; bytes: number };
  if (file.bytes !== bytes) throw new Error(`upload failed: ${JSON.stringify(file)}`);
  return file.id;
}

async function download({ url }: BenchServer, id: string, bytes: number): Promise<string> {
  const response = await fetch(`${url}/files/${id}/content`);
  let received = 0;
  for await (const piece of response.body ?? []) received += piece.length;
  if (received !== bytes) throw new Error(`download ended after ${received} of ${bytes} bytes`);
  return id;
}

async function sendParts(
  { openai }: BenchServer,
  bytes: number,
  partBytes: number,
  parallel: number,
): Promise<string> {
  const upload = await openai.uploads.create({
    filename: 'rows.jsonl',
    purpose: 'fine-tune',
    mime_type: 'text/jsonl',
    bytes,
  });
  const parts = Math.ceil(bytes / partBytes);
  const sizeOf = (i: number) => Math.min(partBytes, bytes - i * partBytes);
  const ids = Array<string>(parts);
  const md5 = createHash('md5');
  for (let i = 0; i < parts; i++) md5.update(chunk(i, sizeOf(i)));
  let next = parts; // the last one first: order is what `complete` says
  const worker = async () => {
    while (next > 0) {
      next -= 1;
      const i = next;
      const data = new File([new Uint8Array(chunk(i, sizeOf(i)))], 'part');
      ids[i] = (await openai.uploads.parts.create(upload.id, { data })).id;
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const done = await openai.uploads.complete(upload.id, { part_ids: ids, md5: md5.digest('hex') });
  if (done.file?.bytes !== bytes) throw new Error(`upload failed: ${JSON.stringify(done)}`);
  return done.file.id;
}
