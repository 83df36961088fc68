// Prints a grammar in llama.cpp's notation (its grammars/README.md).
import type { Grammar, Node } from './grammar.ts';

export function printGbnf({ root, rules }: Grammar): string {
  const lines: string[] = [];
  // llama.cpp multiplies repetitions within repetitions and refuses large products, but for rules.
  const apart = (node: Node) => {
    const at = lines.push('') - 1; // its place, before those of its own parts
    lines[at] = `item${at} ::= ${print(node, apart)}`;
    return `item${at}`;
  };
  const named = [['root', root] as const, ...rules].map(
    ([name, node]) => `${name} ::= ${print(node, apart)}`,
  );
  return [...named, ...lines].join('\n');
}

type Apart = (node: Node) => string;

function print(node: Node, apart: Apart): string {
  const group = (inner: Node) => {
    const text = print(inner, apart);
    return COMPOUND.includes(inner.kind) ? `(${text})` : text;
  };
  switch (node.kind) {
    case 'text':
      return JSON.stringify(node.text).replace(/\\[bfu][0-9a-f]*/g, escaped);
    case 'chars':
      return `[${node.ranges.map(([a, b]) => (a === b ? point(a) : `${point(a)}-${point(b)}`)).join('')}]`;
    case 'all':
      return node.items.length === 0 ? '""' : node.items.map(group).join(' ');
    case 'any':
      return node.items.map(group).join(' | ');
    case 'many': {
      const item = COMPOUND.includes(node.item.kind) ? apart(node.item) : group(node.item);
      return `${item}{${node.min},${node.max ?? ''}}`;
    }
    case 'rule':
      return node.name;
  }
}

const COMPOUND = ['any', 'all', 'many'];
const point = (code: number) => `\\U${code.toString(16).padStart(8, '0')}`;

/** JSON's short escapes that the notation lacks. */
const escaped = (found: string) =>
  ({ '\\b': '\\x08', '\\f': '\\x0C' })[found] ?? `\\x${found.slice(-2).toUpperCase()}`;
