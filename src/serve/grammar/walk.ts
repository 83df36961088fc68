// Follows a text along a grammar, character by character, and knows the shortest way to end it. All ways
// to read the text so far are kept, each as a stack of what is still to come.
import { all, any, type Grammar, many, type Node, text } from './grammar.ts';

/** `at`: offset in a text, items done of `all`, repetitions done of `many`. Null: nothing to come. */
type Stack = { readonly node: Node; readonly at: number; readonly next: Stack } | null;

export class Walk {
  readonly #rules: Grammar['rules'];
  readonly #shortest: Map<Node, string>;
  readonly #stacks: readonly Stack[];

  /** Throws RangeError for a grammar that no finite text fulfils. */
  static start(grammar: Grammar): Walk {
    const walk = new Walk(grammar.rules, new Map(), []);
    if (walk.#ending(grammar.root, 0, new Set()) === null) throw new RangeError('no finite text');
    const stacks = walk.#expand({ node: grammar.root, at: 0, next: null });
    return new Walk(grammar.rules, walk.#shortest, stacks);
  }

  private constructor(
    rules: Grammar['rules'],
    shortest: Map<Node, string>,
    stacks: readonly Stack[],
  ) {
    this.#rules = rules;
    this.#shortest = shortest;
    this.#stacks = stacks;
  }

  /** After more text; null where the grammar does not allow it. */
  after(more: string): Walk | null {
    let stacks = this.#stacks;
    for (const char of more) {
      const code = char.codePointAt(0)!;
      stacks = stacks.flatMap((stack) => this.#step(stack, code));
      if (stacks.length === 0) return null;
    }
    return stacks === this.#stacks ? this : new Walk(this.#rules, this.#shortest, stacks);
  }

  /** Nothing can follow. */
  get ended(): boolean {
    return this.#stacks.every((stack) => stack === null);
  }

  /** What may still come, as a grammar of its own. */
  get rest(): Grammar {
    const ways = this.#stacks.map((stack) => {
      const items: Node[] = [];
      for (let frame = stack; frame !== null; frame = frame.next) items.push(remainder(frame));
      return all(...items);
    });
    return { root: any(...ways), rules: this.#rules };
  }

  /** The shortest text that completes what was read. */
  get ending(): string {
    const endings = this.#stacks.map((stack) => {
      let whole = '';
      for (let frame = stack; frame !== null; frame = frame.next)
        whole += this.#ending(frame.node, frame.at, new Set()) ?? '';
      return whole;
    });
    return endings.reduce((a, b) => (b.length < a.length ? b : a));
  }

  #step(stack: Stack, code: number): Stack[] {
    if (stack === null) return [];
    const { node, at, next } = stack;
    if (node.kind === 'text') {
      if (node.text.codePointAt(at) !== code) return [];
      return this.#expand({ node, at: at + (code > 0xffff ? 2 : 1), next });
    }
    if (node.kind !== 'chars') throw new Error('a stack begins with what a character can match');
    return node.ranges.some(([a, b]) => a <= code && code <= b) ? this.#expand(next) : [];
  }

  /** Down to stacks whose first part is a text or a character. */
  #expand(stack: Stack): Stack[] {
    if (stack === null) return [null];
    const { node, at, next } = stack;
    switch (node.kind) {
      case 'text':
        return at === node.text.length ? this.#expand(next) : [stack];
      case 'chars':
        return [stack];
      case 'all': {
        const item = node.items[at];
        if (item === undefined) return this.#expand(next);
        return this.#expand({ node: item, at: 0, next: { node, at: at + 1, next } });
      }
      case 'any':
        return node.items.flatMap((item) => this.#expand({ node: item, at: 0, next }));
      case 'many': {
        const { item, min, max } = node;
        const done = max === null ? Math.min(at + 1, min) : at + 1;
        const more = max === null || at < max;
        return [
          ...(more ? this.#expand({ node: item, at: 0, next: { node, at: done, next } }) : []),
          ...(at >= min ? this.#expand(next) : []),
        ];
      }
      case 'rule':
        return this.#expand({ node: this.#rule(node.name), at: 0, next });
    }
  }

  /** Shortest text of a node from `at` on; null while it is only known to need itself. */
  #ending(node: Node, at: number, open: Set<Node>): string | null {
    const known = at === 0 ? this.#shortest.get(node) : undefined;
    if (known !== undefined) return known;
    if (open.has(node)) return null;
    const inside = new Set(open).add(node);
    const ending = this.#endingOf(node, at, inside);
    if (at === 0 && ending !== null) this.#shortest.set(node, ending);
    return ending;
  }

  #endingOf(node: Node, at: number, open: Set<Node>): string | null {
    switch (node.kind) {
      case 'text':
        return node.text.slice(at);
      case 'chars':
        return String.fromCodePoint(node.ranges[0]![0]);
      case 'all': {
        const parts = node.items.slice(at).map((item) => this.#ending(item, 0, open));
        return parts.includes(null) ? null : parts.join('');
      }
      case 'any': {
        const ways = node.items.map((item) => this.#ending(item, 0, open));
        return ways.reduce(
          (a, b) => (a === null || (b !== null && b.length < a.length) ? b : a),
          null,
        );
      }
      case 'many': {
        if (at >= node.min) return '';
        return this.#ending(node.item, 0, open)?.repeat(node.min - at) ?? null;
      }
      case 'rule':
        return this.#ending(this.#rule(node.name), 0, open);
    }
  }

  #rule(name: string): Node {
    const node = this.#rules.get(name);
    if (node === undefined) throw new Error(`the grammar has no rule '${name}'`);
    return node;
  }
}

function remainder({ node, at }: NonNullable<Stack>): Node {
  if (node.kind === 'text') return text(node.text.slice(at));
  if (node.kind === 'all') return all(...node.items.slice(at));
  if (node.kind !== 'many') return node;
  const most = node.max === null ? null : node.max - at;
  return many(node.item, Math.max(0, node.min - at), most);
}
