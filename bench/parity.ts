// Is the model that is served the one that was trained? Trains a short job through the API and prints
// the parity record of the job: served against trained log-probabilities on held-out rows.
import { type Args, count, cpu, findModel } from './parts/measure.ts';
import { createJob, startBenchServer, waitFor } from './parts/server.ts';

const HELD_OUT = 20; // rows

/** Options: --model, --epochs 2. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const server = await startBenchServer(findModel(args));
  try {
    const id = await createJob(server, count(args, 'epochs', 2), HELD_OUT);
    const job = await waitFor(server, id, ({ status }) => status === 'succeeded');
    const { parity, valid_loss_before, valid_loss_after } = job.tunery;
    return { ...(parity as object), valid_loss_before, valid_loss_after, cpu: cpu() };
  } finally {
    await server.close();
  }
}
