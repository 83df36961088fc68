// The HTTP surface over a real store, with a model `counter` that answers `1 2 3 …`: for tests of what
// the server does with requests, without a model host and without jobs.
import { createBatches } from '../batches/batches.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { CodedError } from '../lib/coded-error.ts';
import { createLog } from '../lib/log.ts';
import type { SampleRequest } from '../serve/protocol.ts';
import { createApp } from '../server/app.ts';
import { createKeyring } from '../server/auth-keys.ts';
import { type Config, defaultConfig } from '../server/config.ts';
import type { Sample } from '../server/deps.ts';
import { sendTo } from '../server/send-to-self.ts';
import { deleteFile } from '../store/files.ts';
import type { Store } from '../store/store.ts';

type Options = {
  readonly store: Store;
  /** Collects what reaches the sampler. */
  readonly seen?: Omit<SampleRequest, 'id'>[];
  readonly config?: Partial<Config>;
  /** Instead of jobs that know the model `counter` and no other. */
  readonly jobs?: Jobs;
  readonly now?: () => number;
  /** Instead of the sampler that counts. */
  readonly sample?: Sample;
};

export function countingApp({
  store,
  seen = [],
  config = {},
  now = Date.now,
  jobs,
  sample,
}: Options) {
  const counting = {
    resolve: async (name: string) =>
      name === 'counter' ? { id: name, base: '/counter.gguf', baseId: name, adapter: null } : null,
    model: async (id: string) =>
      ['counter', 'org/name:1.5'].includes(id)
        ? { id, kind: 'base', created_at: 1, owned_by: 'system' }
        : null,
    deleteFile: (id: string) => deleteFile(store.database, store.blobs, id),
  } as Partial<Jobs> as Jobs;
  const [clock, log] = [{ now }, createLog('silent')];
  const batches = createBatches({
    store,
    clock,
    log,
    send: sendTo(() => app.fetch),
    parallel: 2,
  });
  const app = createApp({
    store,
    batches,
    jobs: jobs ?? counting,
    keys: createKeyring(store.database, { now }),
    sample: sample ?? counter(seen),
    embed: async () => ({ vector: Float32Array.of(0.6, 0.8), promptTokens: 2 }),
    config: { ...defaultConfig, ...config },
    clock,
    log,
  });
  return app;
}

const CONTEXT = 100;

/** One number a piece; five of them when no length is asked for. */
const counter = (seen: Omit<SampleRequest, 'id'>[]): Sample =>
  async function* (_, request) {
    seen.push(request);
    const { maxTokens, logprobs } = request;
    const completionTokens = maxTokens ?? 5;
    if (completionTokens > CONTEXT) {
      const message = `This model's maximum context length is ${CONTEXT} tokens.`;
      throw new CodedError('context_length_exceeded', message, { param: 'messages' });
    }
    if (request.echo && request.prompt.kind === 'text')
      yield { type: 'piece', id: 'x', text: request.prompt.text, logprobs: null, echo: [] };
    for (let i = 1; i <= completionTokens; i++) {
      const text = `${i} `;
      const token = { token: text, bytes: [...Buffer.from(text)], logprob: -i, top: [] };
      yield { type: 'piece', id: 'x', text, logprobs: logprobs === null ? null : [token] };
    }
    yield { type: 'end', id: 'x', finishReason: 'length', promptTokens: 7, completionTokens };
  };
