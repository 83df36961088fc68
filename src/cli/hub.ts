// Downloads one GGUF file from a Hugging Face hub: `HF_ENDPOINT` names a mirror, `HF_TOKEN` a key.
// A broken download goes on where it stopped; size and SHA-256 are checked where the hub tells them.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { z } from 'zod';
import type { Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { note } from './output.ts';

const CONNECT_SECONDS = 8; // a machine without internet should move on quickly
const MEGA = 1_000_000;

type HubFile = {
  readonly repository: string;
  readonly path: string;
  readonly size: number | null;
  readonly sha256: string | null;
};

/** `source` is owner/repository or owner/repository/path.gguf; `target` a path, or null for the
 *  file's own name in `folder`. */
export async function pullFromHub(
  cli: Cli,
  source: string,
  folder: string,
  target: string | null,
): Promise<string> {
  const endpoint = (cli.env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '');
  note(cli, cli.say('pull.hub', { host: new URL(endpoint).host, what: source }));
  const file = await findFile(cli, endpoint, source);
  const path = target ?? join(folder, basename(file.path));
  const there = await stat(path).catch(() => null);
  if (there !== null && there.size === file.size) {
    note(cli, cli.say('pull.exists', { name: basename(path), path }));
    return path;
  }
  const partial = `${path}.part`;
  await download(
    cli,
    `${endpoint}/${file.repository}/resolve/main/${file.path}`,
    partial,
    file.size,
  );
  await checkSum(cli, partial, file.sha256);
  await rename(partial, path);
  return path;
}

const RepositoryAnswer = z.looseObject({
  siblings: z.array(
    z.looseObject({
      rfilename: z.string(),
      size: z.number().nullish(),
      lfs: z.looseObject({ sha256: z.string().nullish(), size: z.number().nullish() }).nullish(),
    }),
  ),
});

async function findFile(cli: Cli, endpoint: string, source: string): Promise<HubFile> {
  const [owner, name, ...rest] = source.split('/');
  const repository = `${owner}/${name}`;
  const wanted = rest.join('/');
  const response = await request(cli, `${endpoint}/api/models/${repository}?blobs=true`);
  const { siblings } = RepositoryAnswer.parse(await response.json());
  const files = siblings.filter(({ rfilename }) => rfilename.endsWith('.gguf'));
  if (files.length === 0) throw new Failure(cli.say('pull.no_gguf', { repository }));
  const file = wanted === '' ? files[0] : files.find(({ rfilename }) => rfilename === wanted);
  if (file === undefined || (wanted === '' && files.length > 1)) {
    const names = files.map(({ rfilename }) => rfilename).join(', ');
    throw new Failure(cli.say('pull.many_gguf', { repository, files: names }));
  }
  const size = file.size ?? file.lfs?.size ?? null;
  return { repository, path: file.rfilename, size, sha256: file.lfs?.sha256 ?? null };
}

async function download(cli: Cli, url: string, partial: string, size: number | null) {
  const have = (await stat(partial).catch(() => null))?.size ?? 0;
  if (have > 0 && have === size) return;
  if (have > 0) note(cli, cli.say('pull.resuming', { done: Math.floor(have / MEGA) }));
  const response = await request(cli, url, have > 0 ? { range: `bytes=${have}-` } : {});
  const resumed = response.status === 206; // a server that ignores `range` starts from the beginning
  const start = resumed ? have : 0;
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const total = size ?? (Number.isNaN(length) ? null : start + length);
  const body = Readable.fromWeb((response.body ?? new Blob([]).stream()) as ReadableStream);
  await pipeline(
    body,
    progress(cli, start, total),
    createWriteStream(partial, { flags: resumed ? 'a' : 'w' }),
    { signal: cli.signal },
  );
  const got = (await stat(partial)).size;
  if (total !== null && got !== total) {
    throw new Failure(cli.say('pull.short', { got, expected: total }));
  }
}

/** The connection must stand within seconds; the body may take as long as it takes. */
async function request(cli: Cli, url: string, headers: Record<string, string> = {}) {
  const token = cli.env['HF_TOKEN'];
  const connecting = new AbortController();
  const reason = new Error(cli.say('pull.connect', { seconds: CONNECT_SECONDS }));
  const timer = setTimeout(() => connecting.abort(reason), CONNECT_SECONDS * 1000);
  try {
    const response = await fetch(url, {
      headers: { ...headers, ...(token ? { authorization: `Bearer ${token}` } : {}) },
      signal: AbortSignal.any([connecting.signal, cli.signal]),
    });
    if (response.ok) return response;
    throw new Failure(`HTTP ${response.status} ${url}`);
  } finally {
    clearTimeout(timer);
  }
}

function progress(cli: Cli, start: number, total: number | null): Transform {
  let done = start;
  let shown = 0;
  const show = () => {
    const megabytes = {
      done: Math.floor(done / MEGA),
      total: total === null ? '?' : Math.ceil(total / MEGA),
    };
    const line = cli.say('pull.progress', megabytes);
    cli.stderr.write(cli.stderr.isTTY ? `\r${line}` : `${line}\n`);
  };
  const pause = cli.stderr.isTTY ? 200 : 5000;
  return new Transform({
    transform(chunk: Buffer, _encoding, next) {
      done += chunk.length;
      if (Date.now() - shown > pause) {
        shown = Date.now();
        show();
      }
      next(null, chunk);
    },
    flush(next) {
      if (cli.stderr.isTTY) {
        show();
        cli.stderr.write('\n');
      }
      next();
    },
  });
}

async function checkSum(cli: Cli, path: string, expected: string | null): Promise<void> {
  if (expected === null) return;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const got = hash.digest('hex');
  if (got === expected) return;
  await rm(path, { force: true }); // going on from damaged bytes would never end well
  throw new Failure(cli.say('pull.bad_sum', { got, expected }));
}
