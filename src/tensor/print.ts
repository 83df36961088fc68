// Text form of a program, one line per node, for reading and for inline snapshots in tests.
import { type Node, ordered, type Program } from './graph.ts';

export function print({ inputs, outputs }: Program): string {
  const names = new Map<Node, string>();
  const lines: string[] = [];
  for (const [name, value] of inputs) {
    names.set(value, name);
    lines.push(`${name}: ${type(value)}`);
  }
  for (const node of ordered([...outputs.values()], new Set(inputs.values()))) {
    if (names.has(node)) continue;
    if (node.op.kind === 'scalar') {
      names.set(node, String(node.op.value));
      continue;
    }
    names.set(node, `%${names.size}`);
    const from = node.inputs.map((source) => names.get(source)).join(', ');
    lines.push(`${names.get(node)} = ${node.op.kind}(${from})${attributes(node)}: ${type(node)}`);
  }
  lines.push(
    `return ${[...outputs].map(([name, value]) => `${name}=${names.get(value)}`).join(', ')}`,
  );
  return lines.join('\n');
}

const type = ({ dtype, shape }: Node) => `${dtype}[${shape.join(', ')}]`;

function attributes({ op }: Node): string {
  const parts = Object.entries(op).filter(
    ([key, value]) => key !== 'kind' && value !== false && !(key === 'alpha' && value === 1),
  );
  if (parts.length === 0) return '';
  return ` {${parts.map(([key, value]) => `${key}=${String(value)}`).join(' ')}}`;
}
