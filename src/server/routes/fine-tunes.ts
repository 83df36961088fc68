// /v1/fine-tunes: the older face of fine-tuning jobs, for the clients of its time. The jobs themselves
// are those of fine-tuning-jobs.ts; each of the two sees its own.
import { type Context, Hono } from 'hono';
import type { Job, Jobs } from '../../jobs/jobs.ts';
import { isFineTune } from '../../jobs/legacy.ts';
import { TrainingOptions } from '../../jobs/protocol.ts';
import type { EventRow } from '../../store/events.ts';
import type { FineTuneFile, FineTuneFileRole } from '../../store/fine-tune-files.ts';
import { type Deps, idOf } from '../deps.ts';
import { jobElsewhere, jobNotFound } from '../errors.ts';
import { removeExpired } from '../expiry.ts';
import { readBody } from '../read-body.ts';
import { readQuery } from '../schemas/common.ts';
import { CreateFineTune, hyperparametersOf, legacyOptionsOf } from '../schemas/fine-tunes.ts';
import { checkGeneralRows, ListEvents } from '../schemas/fine-tuning-jobs.ts';
import { primed, sseResponse } from '../sse.ts';

export function fineTunes(deps: Deps): Hono {
  const { jobs, config, log } = deps;
  const id = (c: Context) => {
    const found = idOf(c, jobNotFound);
    if (/^ftjob-/.test(found)) throw jobElsewhere(found, '/v1/fine_tuning/jobs');
    if (!isFineTune(found)) throw jobNotFound(found);
    return found;
  };
  const wire = async (job: Job) => ({
    ...wireFineTune(job, await jobs.fineTuneDetails([job.id])),
    events: (await jobs.allEvents(job.id)).map(wireEvent),
  });
  return new Hono()
    .post('/', async (c) => {
      const body = await readBody(c, CreateFineTune, config);
      const legacy = legacyOptionsOf(body);
      checkGeneralRows(body.tunery);
      await removeExpired(deps);
      const job = await jobs.create({
        model: body.model,
        training_file: body.training_file,
        validation_file: body.validation_file ?? null,
        hyperparameters: hyperparametersOf(body),
        options: body.tunery ?? TrainingOptions.parse({}),
        suffix: body.suffix ?? null,
        seed: body.seed ?? null,
        metadata: null,
        legacy,
        organization: c.get('caller').organization,
      });
      return c.json(await wire(job));
    })
    .get('/', async (c) => {
      const all = await jobs.fineTunes();
      const details = await jobs.fineTuneDetails(all.map((job) => job.id));
      return c.json({ object: 'list', data: all.map((job) => wireFineTune(job, details)) });
    })
    .get('/:id', async (c) => c.json(await wire(await jobs.get(id(c)))))
    .delete('/:id', async (c) => {
      await jobs.remove(id(c));
      return c.json({ id: id(c), object: 'fine-tune', deleted: true });
    })
    .post('/:id/cancel', async (c) => c.json(await wire(await jobs.cancel(id(c)))))
    .get('/:id/events', async (c) => {
      const { stream } = readQuery(c.req.url, ListEvents.pick({ stream: true }));
      if (!stream)
        return c.json({ object: 'list', data: (await jobs.allEvents(id(c))).map(wireEvent) });
      const abort = new AbortController();
      const signal = AbortSignal.any([abort.signal, c.req.raw.signal]);
      const events = await primed(wireEvents(jobs.follow(id(c), signal)));
      return sseResponse(events, { stop: () => abort.abort(), log });
    });
}

type Details = Awaited<ReturnType<Jobs['fineTuneDetails']>>;

function wireFineTune(job: Job, { files, changed }: Details) {
  const own = files.get(job.id) ?? [];
  const inRole = (role: FineTuneFileRole) => own.filter((file) => file.role === role).map(wireFile);
  return {
    object: 'fine-tune',
    id: job.id,
    hyperparams: wireHyperparams(job),
    organization_id: job.organization_id,
    model: job.model,
    training_files: inRole('training'),
    validation_files: inRole('validation'),
    result_files: inRole('result'),
    created_at: job.created_at,
    updated_at: changed.get(job.id) ?? job.created_at,
    status: wireStatus(job.status),
    fine_tuned_model: job.fine_tuned_model,
    tunery: { base_model: job.base_model, seed: job.seed, error: job.error },
  };
}

/** Numbers for what was left to the server, once it has begun. */
function wireHyperparams({ hyperparameters: asked, legacy, plan, started_at }: Job) {
  const known = started_at === null ? null : plan;
  const number = (value: number | 'auto', resolved: number | undefined) =>
    resolved ?? (value === 'auto' ? null : value);
  const { prompt_loss_weight, classification = null } = legacy ?? {};
  return {
    n_epochs: number(asked.n_epochs, known?.hyperparameters.n_epochs) ?? 4,
    batch_size: number(asked.batch_size, known?.hyperparameters.batch_size),
    prompt_loss_weight,
    learning_rate_multiplier: number(
      asked.learning_rate_multiplier,
      known?.hyperparameters.learning_rate_multiplier,
    ),
    ...(classification && {
      compute_classification_metrics: true,
      classification_n_classes: classification.n_classes,
      classification_positive_class: classification.positive_class,
      classification_betas: classification.betas.length === 0 ? null : classification.betas,
    }),
  };
}

function wireStatus(status: Job['status']): string {
  return ['validating_files', 'queued', 'paused'].includes(status) ? 'pending' : status;
}

const wireFile = ({ id, purpose, filename, bytes, created_at, deleted }: FineTuneFile) => ({
  object: 'file',
  id,
  purpose,
  filename,
  bytes,
  created_at,
  status: deleted ? 'deleted' : 'processed',
  status_details: null,
});

const wireEvent = ({ level, message, created_at }: EventRow) => ({
  object: 'fine-tune-event',
  level,
  message,
  created_at,
});

async function* wireEvents(events: AsyncGenerator<EventRow>) {
  for await (const event of events) yield wireEvent(event);
}
