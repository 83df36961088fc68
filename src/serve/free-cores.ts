// How many cores other processes leave free. llama.cpp's threads wait for each other by spinning: a
// thread that has to share its core holds up all of them. On two cores beside a training job two threads
// made 4 tokens a second where one made 75.
import { cpus } from 'node:os';

const INTERVAL_MS = 1000;

type Times = { readonly at: number; readonly busy: number; readonly own: number };

export class FreeCores {
  readonly #cores: number;
  readonly #timer: NodeJS.Timeout;
  #last = atStart;
  #others = 0;

  constructor(cores: number) {
    this.#cores = cores;
    this.#measure();
    this.#timer = setInterval(() => this.#measure(), INTERVAL_MS).unref();
  }

  /** At least one, judged by the last second. */
  count(): number {
    return Math.max(1, this.#cores - Math.round(this.#others));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #measure(): void {
    const now = read();
    const elapsed = now.at - this.#last.at;
    const others = now.busy - this.#last.busy - (now.own - this.#last.own);
    if (elapsed > 0) this.#others = Math.max(0, others / elapsed);
    this.#last = now;
  }
}

/** Milliseconds, summed over all cores. */
function read(): Times {
  let busy = 0;
  for (const { times } of cpus()) busy += times.user + times.nice + times.sys + times.irq;
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), busy, own: (user + system) / 1000 };
}

const atStart = read();
