// Values for a zod schema: mostly such as it asks for, now and then something else in one place, so that
// a request gets past the first check and fails, if at all, somewhere inside.
import fc from 'fast-check';
import { z } from 'zod';

type Json = { readonly [key: string]: unknown };

/** `pool`: names that exist, to be used where a text is asked for. */
export function valuesOf(schema: z.ZodType, pool: readonly string[]): fc.Arbitrary<unknown> {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', reused: 'inline' }) as Json;
  return build(json, pool, 0);
}

const DEEPEST = 6;

function build(json: Json, pool: readonly string[], depth: number): fc.Arbitrary<unknown> {
  const wanted = depth > DEEPEST ? fc.constant(null) : plain(json, pool, depth);
  return fc.oneof({ weight: 12, arbitrary: wanted }, { weight: 1, arbitrary: junk });
}

function plain(json: Json, pool: readonly string[], depth: number): fc.Arbitrary<unknown> {
  const next = (inner: unknown) => build(inner as Json, pool, depth + 1);
  if ('const' in json) return fc.constant(json['const']);
  if (Array.isArray(json['enum'])) return fc.constantFrom(...json['enum']);
  const branches = json['anyOf'] ?? json['oneOf'];
  if (Array.isArray(branches) && branches.length > 0) return fc.oneof(...branches.map(next));
  const least = (name: string, otherwise: number) => Number(json[name] ?? otherwise);
  switch (json['type']) {
    case 'string':
      return fc.oneof(
        fc.constantFrom(...pool),
        fc.string({ unit: 'binary', maxLength: 80 }),
        fc.stringMatching(/^[a-z {}./:-]{0,20}$/),
      );
    case 'integer':
      return fc.oneof(
        fc.integer({ min: -2, max: 12 }),
        fc.constantFrom(least('minimum', 0), Math.min(least('maximum', 9), 2000)),
      );
    case 'number':
      return fc.oneof(
        fc.double({ min: -3, max: 3, noNaN: true }),
        fc.constantFrom(0, 1, 1e300, -1e-300),
      );
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      if (Array.isArray(json['prefixItems'])) return fc.tuple(...json['prefixItems'].map(next));
      return fc.array(next(json['items'] ?? {}), { maxLength: 4 });
    case 'object':
      return object(json, pool, depth);
    default:
      return junk;
  }
}

function object(json: Json, pool: readonly string[], depth: number): fc.Arbitrary<unknown> {
  const properties = Object.entries((json['properties'] ?? {}) as Json);
  const required = (json['required'] ?? []) as string[];
  const known = fc.record(
    Object.fromEntries(
      properties.map(([name, inner]) => [name, build(inner as Json, pool, depth + 1)]),
    ),
    { requiredKeys: properties.map(([name]) => name).filter((name) => required.includes(name)) },
  );
  const others = fc.dictionary(fc.string({ maxLength: 12 }), junk, { maxKeys: 2 });
  return fc.oneof(
    { weight: 4, arbitrary: known },
    { weight: 1, arbitrary: fc.tuple(others, known).map(([a, b]) => ({ ...a, ...b })) },
  );
}

const junk = fc.oneof(
  fc.constantFrom(null, '', 0, -1, true, [], {}, '\0', '\ud800', '../..', 'a'.repeat(70_000)),
  fc.jsonValue({ maxDepth: 3 }),
  fc.integer().map((depth) => nested(Math.abs(depth) % 200)),
);

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}
