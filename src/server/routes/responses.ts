// /v1/responses: the newer face of chat, whose answers can be kept, read again and built upon.
import { Hono } from 'hono';
import { z } from 'zod';
import { unixSeconds } from '../../lib/clock.ts';
import { CodedError } from '../../lib/coded-error.ts';
import { newId } from '../../lib/id.ts';
import {
  deleteResponse,
  deleteResponsesBefore,
  endResponse,
  getResponse,
  insertResponse,
  type ResponseBody,
  type ResponseRow,
} from '../../store/responses.ts';
import { type Deps, idOf } from '../deps.ts';
import {
  cannotCancel,
  invalidValue,
  responseNotFound,
  unknownModel,
  unsupported,
} from '../errors.ts';
import { type ChoiceEvent, type ChoiceRequest, generate } from '../generate.ts';
import { readBody } from '../read-body.ts';
import { type ResponseEvent, responseEvents } from '../responses/events.ts';
import {
  type Conversation,
  constraintsOf,
  conversationOf,
  messagesOf,
} from '../responses/input.ts';
import type { PlainMessage } from '../schemas/chat-completions.ts';
import { limitOf, readQuery } from '../schemas/common.ts';
import {
  CountInputTokens,
  CreateResponse,
  checkResponse,
  LOGPROBS,
  type Question,
} from '../schemas/responses.ts';
import { primed, sseResponse } from '../sse.ts';

const KEPT_SECONDS = 30 * 24 * 3600;
/** Responses in the background, by id; a restart ends them. */
type Running = Map<string, AbortController>;

export function responses(deps: Deps): Hono {
  const { store, config, clock, log } = deps;
  const { query } = store.database;
  const running: Running = new Map();
  const seconds = () => unixSeconds(clock.now());

  const kept = async (id: string): Promise<ResponseRow> => {
    const row = await getResponse(query, id);
    if (row === null) throw responseNotFound(id);
    if (row.body.status !== 'in_progress' || running.has(id)) return row;
    const error = {
      code: 'server_error',
      message: 'The server was stopped before the answer was complete.',
    };
    const body = { ...row.body, status: 'failed', error };
    await endResponse(query, body);
    return { ...row, body };
  };
  const keep = async (body: ResponseBody, { items, inherited }: Conversation) => {
    const { id } = body;
    await deleteResponsesBefore(query, seconds() - KEPT_SECONDS);
    await insertResponse(query, { id, created_at: seconds(), body, input: items, inherited });
  };

  return new Hono()
    .post('/', async (c) => {
      const body = await readBody(c, CreateResponse, config);
      checkResponse(body);
      const conversation = await conversationOf(body, deps);
      const abort = new AbortController();
      // Work in the background outlives the request.
      const signal = body.background
        ? abort.signal
        : AbortSignal.any([abort.signal, c.req.raw.signal]);
      const events = await ask(body, conversation, signal, deps);
      const start = inProgress(body, seconds());
      const told = responseEvents(events, start, seconds);
      if (body.background) {
        await keep(start, conversation);
        running.set(start.id, abort);
        void completed(told)
          .then((end) => endResponse(query, end))
          .catch((error: unknown) => log.error({ err: error }, 'response.fail'))
          .finally(() => running.delete(start.id));
        return c.json(start);
      }
      const whole = body.store ? keptAtEnd(told, (end) => keep(end, conversation)) : told;
      if (body.stream) return sseResponse(whole, { stop: () => abort.abort(), log, typed: true });
      const end = await completed(whole);
      if (end.status !== 'failed') return c.json(end);
      const { message } = end['error'] as { message: string };
      throw new CodedError('model_failed', message, { status: 500 });
    })
    .post('/input_tokens', async (c) => {
      const body = await readBody(c, CountInputTokens, config);
      const conversation = await conversationOf(body, deps);
      const events = await ask(
        { ...body, max_output_tokens: 0 },
        conversation,
        c.req.raw.signal,
        deps,
      );
      for await (const { event } of events)
        if (event.type === 'end')
          return c.json({ object: 'response.input_tokens', input_tokens: event.promptTokens });
      throw new Error('counting ended without a count');
    })
    .get('/:id', async (c) => {
      if (c.req.query('stream') === 'true')
        throw unsupported('stream', 'a response that was given cannot be streamed again');
      return c.json((await kept(idOf(c, responseNotFound))).body);
    })
    .delete('/:id', async (c) => {
      const id = idOf(c, responseNotFound);
      running.get(id)?.abort();
      if (!(await deleteResponse(query, id))) throw responseNotFound(id);
      return c.json({ id, object: 'response', deleted: true });
    })
    .post('/:id/cancel', async (c) => {
      const { body } = await kept(idOf(c, responseNotFound));
      if (body['background'] !== true) throw cannotCancel(body.id);
      if (body.status !== 'in_progress') return c.json(body);
      const cancelled = { ...body, status: 'cancelled' };
      await endResponse(query, cancelled);
      running.get(body.id)?.abort();
      return c.json(cancelled);
    })
    .get('/:id/input_items', async (c) => {
      const { input, inherited } = await kept(idOf(c, responseNotFound));
      const page = readQuery(c.req.url, ItemsQuery);
      const items = input.slice(inherited);
      if (page.order === 'desc') items.reverse();
      const at = page.after === undefined ? 0 : items.findIndex(({ id }) => id === page.after) + 1;
      if (page.after !== undefined && at === 0)
        throw invalidValue('after', `there is no '${page.after}' in this list.`);
      const data = items.slice(at, at + page.limit);
      const has_more = items.length > at + data.length;
      const [first_id, last_id] = [data[0]?.id ?? null, data.at(-1)?.id ?? null];
      return c.json({ object: 'list', data, first_id, last_id, has_more });
    });
}

export const ItemsQuery = z.object({
  after: z.string().optional(),
  limit: limitOf(20, 100),
  order: z.enum(['asc', 'desc']).default('desc'),
});

type Asked = Question &
  Partial<
    Pick<CreateResponse, 'temperature' | 'top_p' | 'top_logprobs' | 'include' | 'truncation'>
  > & {
    readonly max_output_tokens?: number | undefined;
  };

/** The model's answer, begun: what is wrong with the question is thrown here. */
async function ask(
  body: Asked,
  { items }: Conversation,
  signal: AbortSignal,
  deps: Deps,
): Promise<AsyncGenerator<ChoiceEvent>> {
  const model = await deps.jobs.resolve(body.model);
  if (model === null) throw unknownModel(body.model);
  const wanted = body.include?.includes(LOGPROBS) || (body.top_logprobs ?? 0) > 0;
  let messages = messagesOf(items, body.instructions);
  const choice: Omit<ChoiceRequest, 'prompt'> = {
    maxTokens: body.max_output_tokens ?? null,
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    seed: null,
    stop: [],
    logprobs: wanted ? (body.top_logprobs ?? 0) : null,
    ...constraintsOf(body),
  };
  for (;;) {
    try {
      const prompt = { kind: 'chat' as const, messages };
      return await primed(generate(model, [{ ...choice, prompt }], signal, deps));
    } catch (error) {
      const tooLong = error instanceof CodedError && error.code === 'context_length_exceeded';
      const shorter = body.truncation === 'auto' ? withoutOldest(messages) : null;
      if (tooLong && shorter !== null) messages = shorter;
      else throw tooLong ? new CodedError(error.code, error.message, { param: 'input' }) : error;
    }
  }
}

/** Without the oldest message that is no instruction, and the results of its calls. */
function withoutOldest(messages: PlainMessage[]): PlainMessage[] | null {
  const isInstruction = ({ role }: PlainMessage) => role === 'system' || role === 'developer';
  const at = messages.findIndex((message) => !isInstruction(message));
  if (at < 0 || at >= messages.length - 1) return null;
  let end = at + 1;
  while (end < messages.length - 1 && messages[end]!.role === 'tool') end += 1;
  return [...messages.slice(0, at), ...messages.slice(end)];
}

function inProgress(body: CreateResponse, created_at: number) {
  return {
    id: newId('resp_', 48),
    object: 'response' as const,
    created_at,
    status: 'in_progress',
    background: body.background,
    completed_at: null,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    model: body.model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: { effort: null, summary: null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: 'default',
    store: body.store,
    temperature: body.temperature,
    text: { ...body.text, format: body.text.format },
    tool_choice: body.tool_choice,
    tools: body.tools.map((tool) => ({ ...tool, strict: tool.strict ?? null })),
    top_logprobs: body.top_logprobs,
    top_p: body.top_p,
    truncation: body.truncation,
    usage: null,
    user: body.user ?? null,
    metadata: body.metadata,
  };
}

/** Runs to the end. */
async function completed(
  events: AsyncGenerator<ResponseEvent, ResponseBody>,
): Promise<ResponseBody> {
  for (;;) {
    const { done, value } = await events.next();
    if (done) return value;
  }
}

/** Kept before the last event is told, so that who reads it can ask for the response. */
async function* keptAtEnd(
  events: AsyncGenerator<ResponseEvent, ResponseBody>,
  keep: (end: ResponseBody) => Promise<void>,
): AsyncGenerator<ResponseEvent, ResponseBody> {
  try {
    for (;;) {
      const { done, value } = await events.next();
      if (done) return value;
      const ends = ['response.completed', 'response.incomplete'].includes(value.type);
      if (ends) await keep(value['response'] as ResponseBody);
      yield value;
    }
  } finally {
    await events.return(undefined as never);
  }
}
