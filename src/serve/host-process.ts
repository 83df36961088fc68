// One model host: its process, and the requests that wait for its answers.
import { Child, describeExit, entryBeside } from '../lib/child.ts';
import { CodedError } from '../lib/coded-error.ts';
import { say } from '../messages/say.ts';
import type {
  Adapter,
  EmbedRequest,
  FromHost,
  HostOptions,
  SampleRequest,
  ToHost,
} from './protocol.ts';

export type HostEvent = Extract<FromHost, { type: 'piece' | 'end' }>;
export type Embedding = Pick<Extract<FromHost, { type: 'embedded' }>, 'vector' | 'promptTokens'>;
type Answer = Extract<FromHost, { id: string }>;
type Ready = { readonly contextLength: number };
/** Called with each answer, or with the error that ends the request. */
type Listener = (answer: Answer | Error) => void;

const MAX_REQUESTS = 64;

export class Host {
  readonly #path: string;
  readonly #options: Partial<HostOptions>;
  readonly #maxRequests: number;
  readonly #listeners = new Map<string, Listener>();
  #child: Child<ToHost, FromHost> | null = null;
  #ready: Promise<Ready> | null = null;
  #requests = 0;
  #nextId = 0;
  /** The size of the model file until the host has told its own estimate. */
  memoryBytes: number;

  constructor(
    path: string,
    fileBytes: number,
    options: Partial<HostOptions>,
    maxRequests = MAX_REQUESTS,
  ) {
    this.#path = path;
    this.memoryBytes = fileBytes;
    this.#options = options;
    this.#maxRequests = maxRequests;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  get pid(): number | undefined {
    return this.running ? this.#child?.pid : undefined;
  }

  get requests(): number {
    return this.#requests;
  }

  start(): void {
    if (this.running) return;
    const args = [this.#path, JSON.stringify(this.#options)];
    const child = new Child<ToHost, FromHost>(entryBeside(import.meta.url, 'host'), {
      args,
      parse: (raw) => raw as FromHost, // our own module at the other end; a check per token costs time
    });
    this.#child = child;
    this.#ready = new Promise((resolve, reject) => {
      child.onMessage((message) => {
        if (message.type === 'ready') {
          this.memoryBytes = message.memoryBytes;
          resolve({ contextLength: message.contextLength });
        } else if (message.type === 'failed') {
          reject(new CodedError(message.code, message.message, { status: 500 }));
        } else this.#listeners.get(message.id)?.(message);
      });
      void child.exited.then((exit) => {
        const error = new CodedError(
          'model_host_crashed',
          say('refusal.host_crashed', { how: describeExit(exit) }),
          { status: 503 },
        );
        reject(error);
        if (this.#child !== child) return; // already started again
        this.#child = null;
        for (const listener of [...this.#listeners.values()]) listener(error);
      });
    });
    this.#ready.catch(() => {}); // reported to whoever waits for it
  }

  async ready(): Promise<Ready> {
    if (this.#ready === null) throw new Error('the host was not started');
    return this.#ready;
  }

  async *sample(request: Omit<SampleRequest, 'id'>, signal?: AbortSignal) {
    const answers = this.#ask((id) => ({ type: 'sample', request: { ...request, id } }), signal);
    for await (const answer of answers) {
      if (answer.type !== 'piece' && answer.type !== 'end') continue;
      yield answer;
      if (answer.type === 'end') return;
    }
  }

  async score(adapter: Adapter, tokens: readonly number[], signal?: AbortSignal) {
    const request = { adapter, tokens: [...tokens] };
    const answers = this.#ask((id) => ({ type: 'score', request: { ...request, id } }), signal);
    for await (const answer of answers) if (answer.type === 'scored') return answer.logProbs;
    throw new Error('the host ended a score request without a score');
  }

  async embed(request: Omit<EmbedRequest, 'id'>, signal?: AbortSignal): Promise<Embedding> {
    const answers = this.#ask((id) => ({ type: 'embed', request: { ...request, id } }), signal);
    for await (const answer of answers) if (answer.type === 'embedded') return answer;
    throw new Error('the host ended an embed request without a vector');
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    for (const listener of [...this.#listeners.values()]) listener(closedError());
    await child?.close();
  }

  /** Sends one request and yields its answers. */
  async *#ask(message: (id: string) => ToHost, signal?: AbortSignal): AsyncGenerator<Answer> {
    if (this.#requests >= this.#maxRequests) {
      const text = `This model already has ${this.#requests} requests to answer. Try again later.`;
      throw new CodedError('overloaded', text, { status: 503 });
    }
    const id = String(this.#nextId++);
    const queue: (Answer | Error)[] = [];
    let wake = () => {};
    const listener: Listener = (answer) => {
      queue.push(answer);
      wake();
    };
    const onAbort = () => listener(abortError(signal));
    let open = false;
    this.#requests += 1;
    this.#listeners.set(id, listener);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      signal?.throwIfAborted();
      await Promise.race([this.ready(), new Promise<void>((resolve) => (wake = resolve))]);
      if (queue.length === 0) {
        if (this.#child === null) throw closedError();
        this.#child.send(message(id));
        open = true;
      }
      for (;;) {
        while (queue.length > 0) {
          const answer = queue.shift()!;
          if (answer instanceof Error) throw answer;
          if (answer.type !== 'piece') open = false; // the host is done with it
          if (answer.type === 'error') {
            const { code, param, status } = answer;
            throw new CodedError(code, answer.message, { param, status });
          }
          yield answer;
        }
        if (!open) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#listeners.delete(id);
      this.#requests -= 1;
      if (open) this.#child?.send({ type: 'cancel', id });
    }
  }
}

const abortError = (signal: AbortSignal | undefined): Error =>
  signal?.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal?.reason });

const closedError = () =>
  new CodedError('model_host_closed', 'The model was closed.', { status: 503 });
