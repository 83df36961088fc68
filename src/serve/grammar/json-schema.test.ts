// The compiler against ajv: whatever the grammar lets through must be JSON that the schema accepts.
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printGbnf } from './gbnf.ts';
import type { Grammar, Node } from './grammar.ts';
import { anyObject, jsonGrammar } from './json-schema.ts';
import { integer, number } from './number.ts';
import { Walk } from './walk.ts';

const tree = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    children: { type: 'array', items: { $ref: '#' }, maxItems: 2 },
  },
  required: ['name'],
  additionalProperties: false,
};

const SCHEMAS: Record<string, object> = {
  'annotations are passed over': {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'T',
    description: 'd',
    type: 'object',
    properties: { a: { type: 'string', title: 'A', default: 'x', examples: ['y'] } },
    required: ['a'],
    additionalProperties: false,
  },
  'required and optional properties': {
    type: 'object',
    properties: {
      a: { type: 'boolean' },
      b: { type: 'null' },
      c: { type: 'integer' },
      d: { type: 'number' },
    },
    required: ['b', 'd'],
  },
  'only optional properties': {
    type: 'object',
    properties: { a: { const: 1 }, b: { enum: ['x', 'y', null, 3, { z: [1] }] }, c: true },
    additionalProperties: false,
  },
  'string lengths': {
    type: 'array',
    items: { type: 'string', minLength: 2, maxLength: 4 },
    minItems: 1,
    maxItems: 3,
  },
  'a map': { type: 'object', additionalProperties: { type: 'integer', minimum: 3 } },
  'no properties at all': { type: 'object', additionalProperties: false },
  'unions and nulls': {
    anyOf: [
      { type: ['string', 'null'] },
      { type: 'object', properties: { k: { enum: [1, 2] } }, required: ['k'] },
    ],
  },
  'branches with a tag': {
    oneOf: [
      {
        type: 'object',
        properties: { kind: { const: 'a' }, x: { type: 'integer' } },
        required: ['kind', 'x'],
      },
      { type: 'object', properties: { kind: { const: 'b' } }, required: ['kind'] },
    ],
  },
  'references and recursion': tree,
  definitions: {
    $defs: {
      step: { type: 'object', properties: { n: { $ref: '#/$defs/n' } }, required: ['n'] },
      n: { type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 4 },
    },
    type: 'array',
    items: { $ref: '#/$defs/step' },
  },
  'allOf with base': {
    type: 'object',
    properties: { a: { type: 'boolean' } },
    required: ['a'],
    allOf: [{ properties: { b: { type: 'boolean' } }, required: ['b'] }],
  },
  'a tuple': {
    type: 'array',
    prefixItems: [{ type: 'integer' }, { type: 'boolean' }],
    items: false,
    minItems: 2,
  },
  'a tuple that goes on': {
    type: 'array',
    prefixItems: [{ type: 'integer' }],
    items: { type: 'boolean' },
    minItems: 3,
    maxItems: 4,
  },
  'a name with quotes': {
    type: 'object',
    properties: { 'a "b"\n\\': { type: 'boolean' }, é: { const: 'ü\u0001' } },
    required: ['a "b"\n\\', 'é'],
  },
  'bounded numbers': {
    type: 'array',
    items: { type: 'number', minimum: -0.25, exclusiveMaximum: 1.5 },
    minItems: 4,
  },
};

const ajv = new Ajv2020({ strict: false, validateFormats: false });

describe.each(Object.entries(SCHEMAS))('%s', (_, schema) => {
  const grammar = jsonGrammar(schema, 'schema');
  const validate = ajv.compile(schema);

  test('every text of the grammar is accepted by the schema', () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        (stream) => {
          const text = write(grammar, () => stream.next().value as number);
          const value: unknown = JSON.parse(text);
          if (!validate(value)) throw new Error(`${text}: ${ajv.errorsText(validate.errors)}`);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('the walk follows such texts, and can end them from anywhere', () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (stream, part) => {
          const text = [...write(grammar, () => stream.next().value as number)];
          const start = text.slice(0, Math.floor(text.length * part)).join('');
          const walk = Walk.start(grammar).after(start);
          const value: unknown = JSON.parse(start + walk?.ending);
          if (!validate(value)) throw new Error(`${start}|${walk?.ending}`);
        },
      ),
      { numRuns: 200 },
    );
  });
});

test('a grammar prints as llama.cpp reads it', () => {
  const grammar = jsonGrammar({ enum: ['a"\n', 1] }, 'schema');
  expect(printGbnf({ root: grammar.root, rules: new Map() })).toBe(
    'root ::= "\\"a\\\\\\"\\\\n\\"" | "1"',
  );
});

test('any object ends with the fewest brackets', () => {
  expect(Walk.start(anyObject()).after('{"a": [1, {"b')?.ending).toBe('":0}]}');
  expect(Walk.start(anyObject()).after('[')).toBeNull();
});

test.each([
  [0, 10],
  [-3, 12],
  [1, 1],
  [-200, -99],
  [0.5, 0.75],
  [-1.25, 3],
  [99, 1000],
  [0.1, 2.05],
])('numbers from %d to %d, with and without the bounds themselves', (min, max) => {
  for (const open of [false, true]) {
    const range = { min, max, openMin: open, openMax: open };
    const within = (x: number) => (open ? min < x && x < max : min <= x && x <= max);
    const reads = (node: Node | null, text: string) =>
      node !== null && Walk.start({ root: node, rules: new Map() }).after(text)?.ending === '';
    const candidates = [
      min,
      max,
      (min + max) / 2,
      min - 0.01,
      max + 0.01,
      min + 0.01,
      0,
      1,
      max - 0.001,
    ];
    for (const x of candidates.map((y) => Math.round(y * 1000) / 1000)) {
      if (Object.is(x, -0)) continue;
      expect([x, reads(number(range), String(x))]).toEqual([x, within(x)]);
      if (Number.isInteger(x))
        expect([x, reads(integer(range), String(x))]).toEqual([x, within(x)]);
    }
  }
});

test.each([
  [{ type: 'string', pattern: '^a' }, 'schema.pattern'],
  [{ type: 'object', properties: { a: { not: {} } } }, 'schema.properties.a.not'],
  [{ type: 'array', items: { type: 'strin' } }, 'schema.items.type'],
  [{ $ref: '#/$defs/none' }, 'schema.$ref'],
  [{ $ref: 'http://x/y' }, 'schema.$ref'],
  [{ type: 'integer', minimum: 2, maximum: 1 }, 'schema'],
  [{ type: 'number', multipleOf: 0.1 }, 'schema.multipleOf'],
  [{ type: 'array', uniqueItems: true }, 'schema.uniqueItems'],
  [{ type: 'string', format: 'color' }, 'schema.format'],
  [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, 'schema.oneOf'],
  [{ enum: [] }, 'schema.enum'],
  [{ type: 'string', maxLength: 1e6 }, 'schema.maxLength'],
  [{ type: 'object', required: [1] }, 'schema.required'],
  [{ type: 'integer', minimum: 1e300 }, 'schema'],
  ['string', 'schema'],
])('%j is refused and names its place', (schema, param) => {
  expect(() => jsonGrammar(schema, 'schema')).toThrow(
    expect.objectContaining({ param, status: 400 }),
  );
});

/** A random text of the grammar; long repetitions and deep nesting become unlikely. */
function write({ root, rules }: Grammar, random: () => number): string {
  const go = (node: Node, depth: number): string => {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'chars': {
        const [a, b] = node.ranges[Math.floor(random() * node.ranges.length)]!;
        return String.fromCodePoint(a + Math.floor(random() * (Math.min(b, a + 300) - a + 1)));
      }
      case 'all':
        return node.items.map((item) => go(item, depth + 1)).join('');
      case 'any': {
        // Deep down the first way: a string, a null, a short object.
        const at = depth > 40 ? 0 : Math.floor(random() * node.items.length);
        return go(node.items[at]!, depth + 1);
      }
      case 'many': {
        const most = Math.min(node.max ?? node.min + 3, node.min + 3);
        const count =
          depth > 30 ? node.min : node.min + Math.floor(random() * (most - node.min + 1));
        return Array.from({ length: count }, () => go(node.item, depth + 1)).join('');
      }
      case 'rule':
        return go(rules.get(node.name)!, depth + 1);
    }
  };
  return go(root, 0);
}
