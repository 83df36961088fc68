// The server that a conformance run speaks to: a child process started as a user starts it, with the tiny
// model, and with the models in TUNERY_MODELS where that is set.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from '../program.ts';

export const TINY = 'stories260k';

export type TestServer = {
  /** Without `/v1`. */
  readonly url: () => string;
  readonly dataDir: string;
  /** A folder for files of the run. */
  readonly directory: string;
  /** Kills the process outright and starts another on the same data, at the same address. */
  readonly killAndRestart: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export async function startTestServer(): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'tunery-conformance-'));
  const dataDir = join(directory, 'data');
  // The SDKs' tests name models of OpenAI's that are newer than our table, as an operator might.
  const aliases = join(directory, 'names.json');
  await writeFile(aliases, JSON.stringify({ '*': TINY, 'gpt-5.4': TINY, 'gpt-5.6-sol': TINY }));
  const { server: wandb, url: wandbUrl } = await answersAnything();
  const serve = async (port: number) => {
    const args = ['scripts/tunery.mjs', 'serve', '--port', String(port), '--data-dir', dataDir];
    const models = process.env['TUNERY_MODELS'];
    const program = new Program(
      process.execPath,
      [...args, '--models-dir', 'assets/models', '--aliases', aliases],
      {
        env: {
          WANDB_BASE_URL: wandbUrl,
          WANDB_API_KEY: 'a-key',
          ...(models && { TUNERY_MODELS: models }),
        },
      },
    );
    const [, url] = await program.says(/(http:\/\/127\.0\.0\.1:\d+)/);
    return { program, url: url! };
  };
  let now = await serve(0);
  const end = async (signal: NodeJS.Signals) => {
    now.program.process.kill(signal);
    await now.program.ended();
  };
  return {
    url: () => now.url,
    dataDir,
    directory,
    killAndRestart: async () => {
      const { port } = new URL(now.url);
      await end('SIGKILL');
      now = await serve(Number(port));
    },
    close: async () => {
      await end('SIGTERM');
      wandb.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Stands where a W&B server would: jobs with that integration are created here, and cancelled at once. */
async function answersAnything(): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    request.resume();
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return { server, url: `http://127.0.0.1:${address.port}` };
}
