// Server-sent events as the API frames them: `data: {json}` lines, `data: [DONE]`, then the end of the
// body. Comment lines keep silent streams open.
import type { Log } from '../lib/log.ts';
import { toWire } from './errors.ts';

const KEEP_ALIVE_MS = 15_000; // proxies close at 30 to 60 s of silence

type SseOptions = {
  /** Called once when the reader is gone or the stream has ended. */
  readonly stop: () => void;
  readonly log: Log;
  readonly keepAliveMs?: number;
  /** Each event's `type` has a line of its own, and the last event is the end: no `[DONE]`. */
  readonly typed?: boolean;
};

/** Messages framed once, however many readers get them. */
export class Framed {
  readonly bytes: Uint8Array;
  constructor(values: readonly unknown[]) {
    const text = values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('');
    this.bytes = new TextEncoder().encode(text);
  }
}

export function sseResponse(
  events: AsyncIterator<unknown>,
  { stop, log, keepAliveMs = KEEP_ALIVE_MS, typed = false }: SseOptions,
): Response {
  const encoder = new TextEncoder();
  let timer: NodeJS.Timeout | undefined;
  let open = true;
  const end = () => {
    open = false;
    clearInterval(timer);
    stop();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      timer = setInterval(() => controller.enqueue(encoder.encode(': ping\n\n')), keepAliveMs);
    },
    async pull(controller) {
      const write = (text: string) => open && controller.enqueue(encoder.encode(text));
      try {
        const { done, value } = await events.next();
        if (value instanceof Framed) return void (open && controller.enqueue(value.bytes));
        const line = typed && !done ? `event: ${(value as { type: string }).type}\n` : '';
        if (!done) return void write(`${line}data: ${JSON.stringify(value)}\n\n`);
        if (!typed) write('data: [DONE]\n\n');
      } catch (error) {
        if (!open) return;
        const { status, body } = toWire(error);
        const { code, message } = body.error;
        // As for answers: a refusal with a code explains itself; of the rest, the log is the only witness.
        if (status >= 500 && code === null) log.error({ err: error }, 'stream.fail');
        else if (status >= 500) log.warn({ code, message }, 'stream.fail');
        write(`data: ${JSON.stringify(body)}\n\n`);
      }
      if (!open) return;
      end();
      controller.close();
    },
    async cancel() {
      end();
      await events.return?.();
    },
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      // nginx would hold the events back.
      'x-accel-buffering': 'no',
    },
  });
}

/** Takes the first event out before anything is sent, so that an early failure is an ordinary error. */
export async function primed<T>(events: AsyncGenerator<T>): Promise<AsyncGenerator<T>> {
  const first = await events.next();
  return (async function* () {
    try {
      if (first.done) return;
      yield first.value;
      yield* events;
    } finally {
      await events.return(undefined);
    }
  })();
}
