// /v1/fine_tuning/jobs: what a client sees of a job, its events and its checkpoints.
import { type Context, Hono } from 'hono';
import { type Integration, runOf } from '../../jobs/integration.ts';
import type { Job } from '../../jobs/jobs.ts';
import { isFineTune } from '../../jobs/legacy.ts';
import { type Plan, TrainingOptions } from '../../jobs/protocol.ts';
import type { CheckpointRow } from '../../store/checkpoints.ts';
import type { EventRow } from '../../store/events.ts';
import type { Page } from '../../store/page.ts';
import { type Deps, idOf } from '../deps.ts';
import { ApiError, jobElsewhere, jobNotFound } from '../errors.ts';
import { removeExpired } from '../expiry.ts';
import { readBody } from '../read-body.ts';
import { pageOf, readQuery } from '../schemas/common.ts';
import {
  CreateJob,
  checkCreateJob,
  hyperparametersOf,
  ListCheckpoints,
  ListEvents,
  ListJobs,
  metadataFilter,
} from '../schemas/fine-tuning-jobs.ts';
import { Framed, primed, sseResponse } from '../sse.ts';

export function fineTuningJobs(deps: Deps): Hono {
  const { jobs, config, log } = deps;
  const id = (c: Context) => {
    const found = idOf(c, jobNotFound);
    if (isFineTune(found)) throw jobElsewhere(found, '/v1/fine-tunes');
    return found;
  };
  return (
    new Hono()
      .post('/', async (c) => {
        const body = await readBody(c, CreateJob, config);
        checkCreateJob(body, config);
        await removeExpired(deps);
        const job = await jobs.create({
          model: body.model,
          training_file: body.training_file,
          validation_file: body.validation_file ?? null,
          hyperparameters: hyperparametersOf(body),
          options: body.tunery ?? TrainingOptions.parse({}),
          suffix: body.suffix ?? null,
          seed: body.seed ?? null,
          metadata: body.metadata ?? null,
          integrations: body.integrations ?? [],
          organization: c.get('caller').organization,
        });
        return c.json(wireJob(job));
      })
      .get('/', async (c) => {
        const query = readQuery(c.req.url, ListJobs);
        return c.json(envelope(await jobs.list(pageOf(query), metadataFilter(query)), wireJob));
      })
      .get('/:id', async (c) => c.json(wireJob(await jobs.get(id(c)))))
      .post('/:id/cancel', async (c) => c.json(wireJob(await jobs.cancel(id(c)))))
      .post('/:id/pause', async (c) => c.json(wireJob(await jobs.pause(id(c)))))
      .post('/:id/resume', async (c) => c.json(wireJob(await jobs.resume(id(c)))))
      .get('/:id/events', async (c) => {
        const { stream, ...query } = readQuery(c.req.url, ListEvents);
        if (!stream) return c.json(envelope(await jobs.events(id(c), pageOf(query)), wireEvent));
        const { after } = query;
        if (after !== undefined) await jobs.events(id(c), { after, limit: 0 }); // refuses an unknown one
        const abort = new AbortController();
        const groups = jobs.followGroups(id(c), abort.signal);
        const events =
          after === undefined ? await primed(framed(groups)) : framed(behind(after, groups));
        return sseResponse(events, { stop: () => abort.abort(), log });
      })
      .get('/:id/checkpoints', async (c) => {
        const page = await jobs.checkpoints(id(c), pageOf(readQuery(c.req.url, ListCheckpoints)));
        return c.json({
          ...envelope(page, wireCheckpoint),
          first_id: page.data[0]?.id ?? null,
          last_id: page.data.at(-1)?.id ?? null,
        });
      })
      .get('/:id/:verb{cancel|pause|resume}', (c) => {
        c.header('allow', 'POST');
        throw usePost(c.req.method, c.req.path);
      })
      // A client that joins paths with an empty id must read why, and not of an unknown URL.
      .all('//:action', (c) => {
        throw jobNotFound(c.req.param('action') ?? '');
      })
  );
}

/** Guides print `curl` lines without `-X POST`, which send a GET. */
const usePost = (method: string, path: string) =>
  new ApiError(
    `Not allowed to ${method} on ${path}. (HINT: Perhaps you meant to use POST: curl -X POST …)`,
    { status: 405, code: 'method_not_supported', param: null },
  );

const envelope = <Row, Wire>(page: Page<Row>, wire: (row: Row) => Wire) => ({
  object: 'list',
  data: page.data.map(wire),
  has_more: page.hasMore,
});

export function wireJob(job: Job) {
  const hyperparameters = job.plan?.hyperparameters ?? job.hyperparameters;
  return {
    object: 'fine_tuning.job',
    id: job.id,
    created_at: job.created_at,
    // As in the original, null for a job that was cancelled or has failed; `ended_at` is for each.
    finished_at: job.status === 'succeeded' ? job.finished_at : null,
    status: job.status,
    model: job.model,
    fine_tuned_model: job.fine_tuned_model,
    organization_id: job.organization_id,
    training_file: job.training_file,
    validation_file: job.validation_file,
    hyperparameters,
    method: { type: 'supervised', supervised: { hyperparameters } },
    seed: job.seed,
    user_provided_suffix: job.suffix,
    trained_tokens: job.trained_tokens,
    result_files: job.result_files,
    estimated_finish: job.status === 'running' ? job.estimated_finish : null,
    error: job.error,
    integrations: job.integrations.map((integration, i) => wireIntegration(integration, job, i)),
    metadata: job.metadata,
    usage_metrics: null,
    shared_with_openai: false,
    tunery: {
      ...job.options,
      base_model: job.base_model,
      step: job.step,
      total_steps: job.total_steps,
      started_at: job.started_at,
      ended_at: job.finished_at,
      valid_loss_before: job.valid_loss_before,
      valid_loss_after: job.valid_loss_after,
      plan: job.plan && snakeCase(job.plan),
      parity: job.parity,
    },
  };
}

/** As asked, and the run that it became. */
function wireIntegration(integration: Integration, job: Job, index: number) {
  const { project, entity = null, name = null, tags } = integration.wandb;
  const run_id = runOf(integration, job, index).id;
  return { type: 'wandb', wandb: { project, entity, name, tags: tags ?? [], run_id } };
}

/** The plan's names as the API writes names. */
const snakeCase = (plan: Plan) =>
  Object.fromEntries(
    Object.entries(plan).map(([name, value]) => [
      name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`),
      value,
    ]),
  );

const wireEvent = (event: EventRow) => ({
  object: 'fine_tuning.job.event',
  id: event.id,
  created_at: event.created_at,
  level: event.level,
  message: event.message,
  type: event.type,
  data: event.data ?? {},
});

/** What was framed for one follower serves those that come to the same events. */
const frames = new WeakMap<readonly EventRow[], Framed>();

async function* framed(groups: AsyncGenerator<readonly EventRow[]>) {
  for await (const group of groups) {
    const known = frames.get(group) ?? new Framed(group.map(wireEvent));
    frames.set(group, known);
    yield known;
  }
}

/** What comes after the event with this id. */
async function* behind(after: string, groups: AsyncGenerator<readonly EventRow[]>) {
  let found = false;
  for await (const group of groups) {
    if (found) yield group;
    else {
      const place = group.findIndex(({ id }) => id === after);
      found = place >= 0;
      if (found && place < group.length - 1) yield group.slice(place + 1);
    }
  }
}

const wireCheckpoint = (checkpoint: CheckpointRow) => ({
  object: 'fine_tuning.job.checkpoint',
  id: checkpoint.id,
  created_at: checkpoint.created_at,
  fine_tuned_model_checkpoint: checkpoint.fine_tuned_model_checkpoint,
  fine_tuning_job_id: checkpoint.job_id,
  metrics: checkpoint.metrics,
  step_number: checkpoint.step_number,
});
