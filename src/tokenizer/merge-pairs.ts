// Byte-pair merging over token ids: the inner loop of every BPE tokenizer, and nothing else.
// A heap and a linked list keep it n·log n, so that a line of a million letters cannot stall a server.

/** The token two neighbours become, and how early: the lowest `priority` is merged first. */
export type Pair = { readonly id: number; readonly priority: number };

/** `spans[i]` units belong to symbol i; merged symbols add up. Ties are broken from left to right. */
export function mergePairs(
  symbols: readonly number[],
  spans: readonly number[],
  pairOf: (left: number, right: number) => Pair | undefined,
): { ids: number[]; spans: number[] } {
  const ids = [...symbols];
  const sizes = [...spans];
  const next = ids.map((_, i) => (i + 1 < ids.length ? i + 1 : -1));
  const previous = ids.map((_, i) => i - 1);
  const heap = new CandidateHeap();
  const propose = (left: number, right: number) => {
    const pair = pairOf(ids[left]!, ids[right]!);
    if (pair === undefined) return;
    heap.push({ ...pair, left, leftId: ids[left]!, rightId: ids[right]! });
  };
  for (let i = 0; i + 1 < ids.length; i++) propose(i, i + 1);
  for (let best = heap.pop(); best !== undefined; best = heap.pop()) {
    const { left } = best;
    const right = next[left]!;
    // A candidate is stale when one of its two symbols has been merged since.
    if (right < 0 || ids[left] !== best.leftId || ids[right] !== best.rightId) continue;
    ids[left] = best.id;
    sizes[left]! += sizes[right]!;
    ids[right] = GONE;
    next[left] = next[right]!;
    if (next[left]! >= 0) previous[next[left]!] = left;
    if (previous[left]! >= 0) propose(previous[left]!, left);
    if (next[left]! >= 0) propose(left, next[left]!);
  }
  const kept = { ids: [] as number[], spans: [] as number[] };
  for (let i = 0; i >= 0 && i < ids.length; i = next[i]!) {
    kept.ids.push(ids[i]!);
    kept.spans.push(sizes[i]!);
  }
  return kept;
}

const GONE = -2;

type Candidate = Pair & { left: number; leftId: number; rightId: number };
const before = (a: Candidate, b: Candidate) =>
  a.priority < b.priority || (a.priority === b.priority && a.left < b.left);

class CandidateHeap {
  readonly #items: Candidate[] = [];

  push(item: Candidate) {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): Candidate | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child += 1;
      if (!before(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top;
  }
}
