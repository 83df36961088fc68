// Who generates where. An adapter is attached to a whole llama.cpp context, so there is one context
// per adapter and strength in use; its sequences evaluate together in one batch.

export type Slot<Sequence> = { readonly sequence: Sequence; readonly release: () => void };

export type PoolOptions<Sequence> = {
  /** Contexts kept at a time; the least recently used idle one makes room. */
  readonly maxContexts: number;
  readonly open: (key: string) => Promise<OpenContext<Sequence>>;
};

export type OpenContext<Sequence> = {
  readonly sequences: readonly Sequence[];
  readonly close: () => Promise<void>;
};

type Entry<Sequence> = {
  readonly context: Promise<OpenContext<Sequence>>;
  free: Sequence[] | null; // null until open
  users: number;
};

export class Pool<Sequence> {
  readonly #options: PoolOptions<Sequence>;
  readonly #entries = new Map<string, Entry<Sequence>>(); // least recently used first
  #waiting: (() => void)[] = [];

  constructor(options: PoolOptions<Sequence>) {
    this.#options = options;
  }

  /** A free sequence of the context `key`, opened if need be; `best` chooses among free ones. */
  async borrow(
    key: string,
    signal: AbortSignal,
    best: (free: readonly Sequence[]) => Sequence,
  ): Promise<Slot<Sequence>> {
    for (;;) {
      signal.throwIfAborted();
      if (!this.#entries.has(key) && !(await this.#makeRoom())) {
        await this.#change();
        continue;
      }
      const entry = this.#entries.get(key) ?? this.#open(key);
      // Once more to the end: the map's order is the order of use.
      this.#entries.delete(key);
      this.#entries.set(key, entry);
      entry.users += 1; // before waiting, or another request might close it
      try {
        const { sequences } = await entry.context;
        entry.free ??= [...sequences];
      } catch (error) {
        entry.users -= 1;
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
        this.#changed();
        throw error;
      }
      if (entry.free.length > 0) return this.#take(entry, best);
      entry.users -= 1;
      await this.#change();
    }
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.allSettled(entries.map(async ({ context }) => (await context).close()));
  }

  /** Closes contexts that nobody uses and whose key `unwanted` names. */
  async drop(unwanted: (key: string) => boolean): Promise<void> {
    for (const [key, entry] of [...this.#entries]) {
      if (entry.users === 0 && unwanted(key)) await this.#close(key, entry);
    }
  }

  #take(entry: Entry<Sequence>, best: (free: readonly Sequence[]) => Sequence): Slot<Sequence> {
    const sequence = best(entry.free!);
    entry.free = entry.free!.filter((other) => other !== sequence);
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      entry.free!.push(sequence);
      entry.users -= 1;
      this.#changed();
    };
    return { sequence, release };
  }

  #open(key: string): Entry<Sequence> {
    const entry = { context: this.#options.open(key), free: null, users: 0 };
    entry.context.catch(() => {}); // reported by `borrow`
    return entry;
  }

  /** False when every context is in use. */
  async #makeRoom(): Promise<boolean> {
    while (this.#entries.size >= this.#options.maxContexts) {
      const idle = [...this.#entries].find(([, { users }]) => users === 0);
      if (!idle) return false;
      await this.#close(...idle);
    }
    return true;
  }

  async #close(key: string, entry: Entry<Sequence>): Promise<void> {
    this.#entries.delete(key);
    await (await entry.context).close();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
