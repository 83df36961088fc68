// The server's side of the model hosts: one child per base model, started when first asked, started
// again after a crash, and closed when other models need its memory.
import { stat } from 'node:fs/promises';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import { type Embedding, Host, type HostEvent } from './host-process.ts';
import type { Adapter, EmbedRequest, HostOptions, SampleRequest } from './protocol.ts';

export type HostsOptions = {
  readonly host?: Partial<HostOptions>;
  /** Bytes that all hosts together may take. */
  readonly memoryBytes: number;
  /** Requests of one model at a time, waiting ones included; one more is refused. */
  readonly maxRequests?: number;
};

export type { Embedding, HostEvent } from './host-process.ts';

export class Hosts {
  readonly #options: HostsOptions;
  readonly #hosts = new Map<string, Host>(); // by base model, least recently used first
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: HostsOptions) {
    this.#options = options;
  }

  /** Pieces of text, then one `end`. Leaving the loop, or the signal, stops the model. */
  async *sample(
    baseModel: string,
    request: Omit<SampleRequest, 'id'>,
    signal?: AbortSignal,
  ): AsyncGenerator<HostEvent> {
    const host = await this.#host(baseModel);
    yield* host.sample(request, signal);
  }

  /** Log-probability of every token after the first, from the full softmax. */
  async score(
    baseModel: string,
    adapter: Adapter,
    tokens: readonly number[],
    signal?: AbortSignal,
  ): Promise<number[]> {
    const host = await this.#host(baseModel);
    return host.score(adapter, tokens, signal);
  }

  /** A text as a vector of length 1. */
  async embed(
    baseModel: string,
    request: Omit<EmbedRequest, 'id'>,
    signal?: AbortSignal,
  ): Promise<Embedding> {
    const host = await this.#host(baseModel);
    return host.embed(request, signal);
  }

  /** Starts the host; resolves when it can answer. */
  async warm(baseModel: string): Promise<{ readonly contextLength: number }> {
    return (await this.#host(baseModel)).ready();
  }

  /** Base models in memory and the process that holds each. */
  running(): { baseModel: string; pid: number; requests: number }[] {
    return [...this.#hosts].flatMap(([baseModel, { pid, requests }]) =>
      pid === undefined ? [] : [{ baseModel, pid, requests }],
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn.catch(() => {});
    await Promise.all([...this.#hosts.values()].map((host) => host.close()));
    this.#hosts.clear();
  }

  /** One at a time: two new models must not both count on the same free memory. */
  #host(baseModel: string): Promise<Host> {
    const turn = this.#turn.catch(() => {}).then(() => this.#admit(baseModel));
    this.#turn = turn;
    return turn;
  }

  async #admit(baseModel: string): Promise<Host> {
    if (this.#closed) throw new CodedError('model_host_closed', 'Closing down.', { status: 503 });
    let host = this.#hosts.get(baseModel);
    if (host?.running) {
      this.#hosts.delete(baseModel);
      this.#hosts.set(baseModel, host); // most recently used
      return host;
    }
    const fileBytes = await stat(baseModel).then(
      ({ size }) => size,
      () => {
        const message = say('refusal.file_missing', { path: baseModel });
        throw new CodedError('model_file_missing', message, { status: 500, param: 'model' });
      },
    );
    host ??= new Host(baseModel, fileBytes, this.#options.host ?? {}, this.#options.maxRequests);
    this.#hosts.delete(baseModel);
    await this.#makeRoom(host);
    this.#hosts.set(baseModel, host);
    host.start();
    return host;
  }

  async #makeRoom(wanted: Host): Promise<void> {
    const budget = this.#options.memoryBytes;
    const used = () => [...this.#hosts.values()].reduce((sum, host) => sum + host.memoryBytes, 0);
    for (const [path, host] of [...this.#hosts]) {
      if (used() + wanted.memoryBytes <= budget) return;
      if (host.requests > 0) continue;
      this.#hosts.delete(path);
      await host.close();
    }
    // A model that alone is too large may try: the estimate is no proof.
    if (this.#hosts.size === 0 || used() + wanted.memoryBytes <= budget) return;
    const message = 'All memory for models is taken by models that are answering. Try again later.';
    throw new CodedError('overloaded', message, { status: 503 });
  }
}
