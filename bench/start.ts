// How long a user waits: server start, from creating a job to its first optimizer step, and from the
// job's success to the first answer of the new model.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Args, count, cpu, findModel, median } from './parts/measure.ts';
import { createJob, startBenchServer, waitFor } from './parts/server.ts';

/** Options: --model, --repeats 3. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const model = findModel(args);
  const repeats = count(args, 'repeats', 3);
  const found: Record<string, number[]> = {};
  const note = (name: string, seconds: number) => {
    found[name] ??= [];
    found[name].push(seconds);
  };
  for (let i = 0; i < repeats; i++) {
    const directory = mkdtempSync(join(tmpdir(), 'tunery-bench-start-'));
    try {
      const first = await startBenchServer(model, directory);
      note('server_start_fresh_s', first.startSeconds);
      await first.close();
      const server = await startBenchServer(model, directory);
      note('server_start_s', server.startSeconds);
      const created = performance.now();
      const id = await createJob(server, 1);
      await waitFor(server, id, ({ tunery }) => Number(tunery['step'] ?? 0) >= 1);
      note('create_to_first_step_s', (performance.now() - created) / 1000);
      const job = await waitFor(server, id, ({ status }) => status === 'succeeded');
      const events = await server.openai.fineTuning.jobs.listEvents(id, { limit: 100 });
      const ready = events.data.map(
        ({ message }) => /Engine ready in ([\d.]+) s/.exec(message)?.[1],
      );
      note('graph_and_session_s', Number(ready.find((seconds) => seconds !== undefined)));
      const asked = performance.now();
      await server.openai.chat.completions.create({
        model: job.fine_tuned_model!,
        messages: [{ role: 'user', content: 'Who are you?' }],
        max_tokens: 8,
      });
      note('first_chat_after_success_s', (performance.now() - asked) / 1000);
      await server.close();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  const medians = Object.entries(found).map(([name, values]) => [name, median(values)]);
  return { ...Object.fromEntries(medians), all: found, repeats, cpu: cpu() };
}
