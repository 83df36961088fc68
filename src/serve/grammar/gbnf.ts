// Prints a grammar in llama.cpp's notation (its grammars/README.md).
import type { Grammar, Node } from './grammar.ts';

export const printGbnf = ({ root, rules }: Grammar): string =>
  [['root', root] as const, ...rules]
    .map(([name, node]) => `${name} ::= ${print(node)}`)
    .join('\n');

function print(node: Node): string {
  switch (node.kind) {
    case 'text':
      return JSON.stringify(node.text).replace(/\\[bfu][0-9a-f]*/g, escaped);
    case 'chars':
      return `[${node.ranges.map(([a, b]) => (a === b ? point(a) : `${point(a)}-${point(b)}`)).join('')}]`;
    case 'all':
      return node.items.length === 0 ? '""' : node.items.map(group).join(' ');
    case 'any':
      return node.items.map(group).join(' | ');
    case 'many':
      return `${group(node.item)}{${node.min},${node.max ?? ''}}`;
    case 'rule':
      return node.name;
  }
}

const group = (node: Node) =>
  node.kind === 'any' || node.kind === 'all' || node.kind === 'many'
    ? `(${print(node)})`
    : print(node);

const point = (code: number) => `\\U${code.toString(16).padStart(8, '0')}`;

/** JSON's short escapes that the notation lacks. */
const escaped = (found: string) =>
  ({ '\\b': '\\x08', '\\f': '\\x0C' })[found] ?? `\\x${found.slice(-2).toUpperCase()}`;
