// The training part of the quickstart: two uploads and one job through the official SDK, then the
// job's events as a progress line until it ends.
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type OpenAI from 'openai';
import { z } from 'zod';
import { retell } from '../../messages/retell.ts';
import type { Cli } from '../cli.ts';
import type { Client } from '../client.ts';
import { follow, requireSuccess } from '../follow.ts';
import { note } from '../output.ts';
import { minutes, progress } from '../progress.ts';
import { isTerminal, Job, type JobEvent, listOf } from '../wire.ts';

const ASSETS = fileURLToPath(new URL('../../../assets/quickstart/', import.meta.url));
/** Marks the jobs of the quickstart, so that the next one can clear away what was left behind. */
const MARK = { tunery: 'quickstart' };
// Found by trying SmolLM2-135M on two cores: every question is answered with the new name, validation
// loss goes from 2.8 to 0.68, and 22,000 target tokens take two to three minutes.
const HYPERPARAMETERS = { n_epochs: 4, batch_size: 4, learning_rate_multiplier: 2 };
const SEED = 42; // two runs on one machine give the same model

export type Trained = {
  readonly model: string;
  readonly seconds: number;
  readonly steps: number;
  readonly targetTokensPerSecond: number;
  readonly validLossBefore: number | null;
  readonly validLossAfter: number | null;
};

const Figures = z.looseObject({
  total_steps: z.number().nullish(),
  valid_loss_before: z.number().nullish(),
  valid_loss_after: z.number().nullish(),
  plan: z
    .looseObject({
      target_tokens_per_epoch: z.number(),
      hyperparameters: z.looseObject({ n_epochs: z.number() }),
    })
    .nullish(),
});

/** `onJob` learns the id as soon as there is one: it must be cancelled if something goes wrong. */
export async function train(
  cli: Cli,
  openai: OpenAI,
  client: Client,
  model: string,
  onJob: (id: string) => void,
): Promise<Trained> {
  const training = await upload(cli, openai, join(ASSETS, 'train.jsonl'));
  const validation = await upload(cli, openai, join(ASSETS, 'valid.jsonl'));
  const job = await openai.fineTuning.jobs.create(
    {
      model,
      training_file: training.id,
      validation_file: validation.id,
      method: { type: 'supervised', supervised: { hyperparameters: HYPERPARAMETERS } },
      suffix: 'quickstart',
      seed: SEED,
      metadata: MARK,
    },
    { signal: cli.signal },
  );
  onJob(job.id);
  note(cli, cli.say('quick.job', { id: job.id, train: training.rows, valid: validation.rows }));
  const { ended, seconds } = await watch(cli, client, job.id);
  const name = requireSuccess(cli, ended);
  const figures = Figures.parse(ended['tunery'] ?? {});
  const { plan } = figures;
  const targetTokens = plan ? plan.target_tokens_per_epoch * plan.hyperparameters.n_epochs : 0;
  return {
    model: name,
    seconds,
    steps: figures.total_steps ?? 0,
    targetTokensPerSecond: targetTokens / seconds,
    validLossBefore: figures.valid_loss_before ?? null,
    validLossAfter: figures.valid_loss_after ?? null,
  };
}

/** Cancels jobs of an earlier quickstart that was killed: they would train first and hold this up. */
export async function clearLeftovers(cli: Cli, client: Client): Promise<void> {
  const query = new URLSearchParams({ 'metadata[tunery]': MARK.tunery, limit: '100' });
  const { data } = await client.get(`/fine_tuning/jobs?${query}`, listOf(Job));
  for (const job of data.filter((candidate) => !isTerminal(candidate))) {
    await client.post(`/fine_tuning/jobs/${job.id}/cancel`, {}, Job);
    note(cli, cli.say('quick.leftover', { id: job.id }));
  }
}

async function upload(cli: Cli, openai: OpenAI, path: string) {
  const text = await readFile(path, 'utf8');
  const rows = text.split('\n').filter((line) => line.trim() !== '').length;
  const file = await openai.files.create(
    { file: createReadStream(path), purpose: 'fine-tune' },
    { signal: cli.signal },
  );
  note(cli, cli.say('quick.uploaded', { name: basename(path), rows }));
  return { id: file.id, rows };
}

/** Seconds are those from the start of the training to its end, checkpoints included. */
async function watch(cli: Cli, client: Client, id: string) {
  const bar = progress(cli.stderr, Date.now);
  bar.show(0, cli.say('quick.waiting'));
  let startedAt: number | null = null;
  let lastStepAt: number | null = null;
  try {
    const events = follow(client, id, cli.signal);
    for (;;) {
      const next = await events.next();
      if (next.done) {
        const end = lastStepAt ?? Date.now();
        return { ended: next.value, seconds: (end - (startedAt ?? end)) / 1000 };
      }
      const event = next.value;
      if (event.message === 'Fine-tuning job started') startedAt ??= Date.now();
      if (event.type === 'metrics') {
        lastStepAt = Date.now();
        showStep(cli, bar, event);
      } else if (event.level !== 'info') {
        bar.end();
        note(cli, retell(event.message, cli.say));
      }
    }
  } finally {
    bar.end();
  }
}

const StepData = z.looseObject({
  step: z.number(),
  total_steps: z.number(),
  train_loss: z.number(),
  target_tokens_per_second: z.number(),
  seconds_left: z.number(),
});

function showStep({ say }: Cli, bar: ReturnType<typeof progress>, { data }: JobEvent): void {
  const step = StepData.parse(data);
  const text = say('quick.step', {
    step: step.step,
    total: step.total_steps,
    loss: step.train_loss.toFixed(3),
    rate: Math.round(step.target_tokens_per_second),
    left: minutes(step.seconds_left),
  });
  bar.show(step.step / step.total_steps, text);
}
