// What the server adds to a small request: GET of a job at a steady rate, beside the same load on a bare
// HTTP server that answers the same bytes, which is the machine's own noise.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { latencyAt } from './parts/load.ts';
import { type Args, count, cpu } from './parts/measure.ts';
import { seedJobs } from './parts/seed.ts';
import { startBenchServer, TINY } from './parts/server.ts';

const BARE = `
  let body = '';
  process.stdin.on('data', (piece) => { body += piece; }).on('end', () => {
    const server = require('node:http').createServer((_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(body);
    });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  });`;

/** Options: --rate 100, --seconds 20, --jobs 1000. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const [rate, seconds] = [count(args, 'rate', 100), count(args, 'seconds', 20)];
  const directory = mkdtempSync(join(tmpdir(), 'tunery-bench-overhead-'));
  try {
    await seedJobs(directory, count(args, 'jobs', 1000));
    const server = await startBenchServer(TINY, directory);
    const url = `${server.url}/fine_tuning/jobs/ftjob-1`;
    const bare = spawn(process.execPath, ['-e', BARE], { stdio: ['pipe', 'pipe', 'inherit'] });
    bare.stdin.end(await (await fetch(url)).text());
    const lines = createInterface({ input: bare.stdout })[Symbol.asyncIterator]();
    const bareUrl = `http://127.0.0.1:${(await lines.next()).value}/`;
    await latencyAt(url, rate, 2); // warms both up
    await latencyAt(bareUrl, rate, 2);
    const noise = await latencyAt(bareUrl, rate, seconds);
    const job = await latencyAt(url, rate, seconds);
    bare.kill();
    await server.close();
    return {
      get_job_ms: job,
      bare_server_ms: noise,
      added_p50_ms: job.p50 - noise.p50,
      added_p99_ms: job.p99 - noise.p99,
      rate,
      seconds,
      cpu: cpu(),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
