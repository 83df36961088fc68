// Long lists page by page, from the newest row to the oldest: the last page must cost what the first one
// does. Jobs with and without a metadata filter, and files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Args, count, cpu, median } from './parts/measure.ts';
import { seedFiles, seedJobs } from './parts/seed.ts';
import { startBenchServer, TINY } from './parts/server.ts';

/** Options: --rows 10000, --limit 100, --rounds 3. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const rows = count(args, 'rows', 10_000);
  const limit = count(args, 'limit', 100);
  const rounds = count(args, 'rounds', 3);
  const directory = mkdtempSync(join(tmpdir(), 'tunery-bench-lists-'));
  try {
    await seedJobs(directory, rows);
    await seedFiles(directory, rows);
    const server = await startBenchServer(TINY, directory);
    const lists = {
      jobs: `fine_tuning/jobs?limit=${limit}`,
      jobs_by_metadata: `fine_tuning/jobs?limit=${Math.ceil(limit / 10)}&metadata%5Bteam%5D=a`,
      files: `files?limit=${limit}`,
      files_ascending: `files?limit=${limit}&order=asc`,
    };
    const found: Record<string, unknown> = {};
    for (const [name, path] of Object.entries(lists)) {
      await walk(`${server.url}/${path}`); // warms up
      const walks: Walk[] = [];
      for (let i = 0; i < rounds; i++) walks.push(await walk(`${server.url}/${path}`));
      found[name] = summary(walks);
    }
    await server.close();
    return { ...found, rows, limit, rounds, cpu: cpu() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

type Walk = { readonly rows: number; readonly pageMs: readonly number[] };
type Answer = { data: { id: string }[]; has_more: boolean };

async function walk(url: string): Promise<Walk> {
  const pageMs: number[] = [];
  const seen = new Set<string>();
  for (let after = ''; ; ) {
    const start = performance.now();
    const response = await fetch(`${url}${after}`);
    const { data, has_more } = (await response.json()) as Answer;
    pageMs.push(performance.now() - start);
    for (const { id } of data) seen.add(id);
    if (!has_more) return { rows: seen.size, pageMs };
    after = `&after=${data.at(-1)!.id}`;
  }
}

/** A page's time is noisy: the first and the last tenth of the pages are compared. */
function summary(walks: readonly Walk[]) {
  const pages = walks[0]!.pageMs.length;
  const tenth = Math.max(1, Math.floor(pages / 10));
  const first = median(walks.flatMap(({ pageMs }) => pageMs.slice(0, tenth)));
  const last = median(walks.flatMap(({ pageMs }) => pageMs.slice(-tenth)));
  return { rows: walks[0]!.rows, pages, first_ms: first, last_ms: last, ratio: last / first };
}
