// A grammar as data: what a model may write. It is printed for llama.cpp, which keeps the sampler to it
// (gbnf.ts), and walked along with the answer to know how it can end (walk.ts).
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  /** One character: ranges of code points, both ends included. */
  | { readonly kind: 'chars'; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly kind: 'all'; readonly items: readonly Node[] }
  | { readonly kind: 'any'; readonly items: readonly Node[] }
  /** `item` must not be empty. `max` null: no limit. */
  | {
      readonly kind: 'many';
      readonly item: Node;
      readonly min: number;
      readonly max: number | null;
    }
  | { readonly kind: 'rule'; readonly name: string };

/** Rule names are letters and digits. */
export type Grammar = { readonly root: Node; readonly rules: ReadonlyMap<string, Node> };

export const EMPTY: Node = { kind: 'all', items: [] };
export const text = (value: string): Node => ({ kind: 'text', text: value });
export const all = (...items: Node[]): Node =>
  items.length === 1 ? items[0]! : { kind: 'all', items };
export const any = (...items: Node[]): Node =>
  items.length === 1 ? items[0]! : { kind: 'any', items };
export const many = (item: Node, min: number, max: number | null): Node =>
  max === 0 ? EMPTY : { kind: 'many', item, min, max };
export const maybe = (item: Node): Node => many(item, 0, 1);
export const rule = (name: string): Node => ({ kind: 'rule', name });

/** `'a-z', '0-9', '_'`: single characters and ranges of them. */
export const chars = (...ranges: string[]): Node => ({
  kind: 'chars',
  ranges: ranges.map((range) => {
    const points = [...range].map((char) => char.codePointAt(0)!);
    return points.length === 3 && range[1] === '-'
      ? [points[0]!, points[2]!]
      : [points[0]!, points[0]!];
  }),
});
export const DIGIT = chars('0-9');
