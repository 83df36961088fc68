// JSON Schema → grammar: every text that the grammar allows is JSON that the schema accepts. Keywords
// that only describe are passed over, those that no grammar of ours can keep are refused by name.
import { CodedError } from '../../lib/coded-error.ts';
import { FORMATS } from './format.ts';
import {
  all,
  any,
  chars,
  EMPTY,
  type Grammar,
  many,
  maybe,
  type Node,
  rule,
  text,
} from './grammar.ts';
import { integer, number, type Range } from './number.ts';

type Schema = Readonly<Record<string, unknown>>;

/** `param` is where the schema stands in the request. Several grammars with prefixes of their own can
 *  share one set of rules. Throws CodedError naming the place of a keyword. */
export function jsonGrammar(schema: unknown, param: string, options: Options = {}): Grammar {
  const compiler = new Compiler(schema, param, options);
  return { root: compiler.node(schema, param), rules: compiler.rules };
}

type Options = {
  readonly prefix?: string;
  /** Pass over what cannot be kept, as the API does for tools that are not strict. */
  readonly lenient?: boolean;
};

/** Any JSON object. */
export const anyObject = (): Grammar => ({ root: rule('object'), rules: baseRules() });

const SPACE = rule('space');
const QUOTE = text('"');

function baseRules(): Map<string, Node> {
  const pair = all(rule('string'), text(':'), SPACE, rule('value'));
  const list = (item: Node) => maybe(all(item, many(all(text(','), SPACE, item), 0, null), SPACE));
  return new Map<string, Node>([
    // One space or one line break with its indent: a model cannot lose itself in blanks.
    ['space', any(EMPTY, text(' '), all(text('\n'), many(chars(' '), 0, 24)))],
    ['char', CHAR],
    ['string', all(QUOTE, many(rule('char'), 0, null), QUOTE)],
    ['number', number(UNBOUNDED)!],
    ['object', all(text('{'), SPACE, list(pair), text('}'))],
    ['array', all(text('['), SPACE, list(rule('value')), text(']'))],
    [
      'value',
      any(
        rule('string'),
        rule('number'),
        rule('object'),
        rule('array'),
        ...['true', 'false', 'null'].map(text),
      ),
    ],
  ]);
}

const hex = chars('0-9', 'a-f', 'A-F');
// Without what JSON forbids (control characters, quote, backslash) and without halves of pairs.
const PLAIN: Node = {
  kind: 'chars',
  ranges: [
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0x7e],
    [0x80, 0xd7ff],
    [0xe000, 0x10ffff],
  ],
};
const ESCAPE = all(
  text('\\'),
  any(
    chars('"', '\\', '/', 'b', 'f', 'n', 'r', 't'),
    all(
      text('u'),
      any(
        all(chars('0-9', 'a-c', 'A-C', 'e-f', 'E-F'), many(hex, 3, 3)),
        all(chars('d', 'D'), chars('0-7'), many(hex, 2, 2)),
      ),
    ),
  ),
);
const CHAR = any(PLAIN, ESCAPE);
const UNBOUNDED: Range = { min: null, max: null, openMin: false, openMax: false };

// llama.cpp writes a repetition out and stops at 2000.
const MAX_REPEAT = 2000;

/** A schema that refers to itself beside other keywords would be merged without end. */
const DEEPEST = 200;

const REFUSED = [
  ...['not', 'if', 'then', 'else', 'dependentSchemas', 'dependentRequired', 'dependencies'],
  ...['patternProperties', 'propertyNames', 'minProperties', 'maxProperties', 'pattern'],
  ...[
    'contains',
    'minContains',
    'maxContains',
    'multipleOf',
    'uniqueItems',
    '$dynamicRef',
    '$recursiveRef',
  ],
];
const COMBINING = ['anyOf', 'oneOf', 'allOf', '$ref'];
/** Keywords that restrict; all others are annotations. */
const RESTRICTING = [
  ...['type', 'enum', 'const', 'nullable', 'properties', 'required', 'additionalProperties'],
  ...['items', 'prefixItems', 'minItems', 'maxItems', 'minLength', 'maxLength', 'format'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
];

class Compiler {
  readonly rules = baseRules();
  readonly #root: unknown;
  readonly #param: string;
  readonly #prefix: string;
  readonly #lenient: boolean;
  readonly #refs = new Map<string, string>();
  #depth = 0;

  constructor(root: unknown, param: string, { prefix = '', lenient = false }: Options) {
    this.#root = root;
    this.#param = param;
    this.#prefix = prefix;
    this.#lenient = lenient;
  }

  node(schema: unknown, at: string): Node {
    if (schema === true) return rule('value');
    if (this.#depth === DEEPEST) throw wrong(at, `it is nested deeper than ${DEEPEST} levels.`);
    this.#depth += 1;
    const node = this.#node(schema, at);
    this.#depth -= 1;
    return node;
  }

  #node(schema: unknown, at: string): Node {
    if (!isObject(schema)) throw wrong(at, 'expected a schema: an object, or true.');
    const beyond = this.#lenient
      ? undefined
      : REFUSED.find((key) => schema[key] !== undefined && schema[key] !== false);
    if (beyond !== undefined) throw refused(`${at}.${beyond}`, beyond);
    for (const key of COMBINING)
      if (schema[key] !== undefined) return this.#combined(schema, key, at);
    if (schema['nullable'] === true) {
      const { nullable: _, ...rest } = schema;
      return any(this.node(rest, at), text('null'));
    }
    if (schema['const'] !== undefined) return json(schema['const']);
    if (schema['enum'] !== undefined) return this.#enum(schema, at);
    const types = [schema['type'] ?? impliedType(schema)].flat();
    if (types.length === 0) throw wrong(`${at}.type`, 'expected at least one type.');
    return any(...types.map((type) => this.#typed(type, schema, at)));
  }

  #combined(schema: Schema, key: string, at: string): Node {
    const { [key]: value, ...rest } = schema;
    const own = Object.keys(rest).some((k) => RESTRICTING.includes(k) || COMBINING.includes(k));
    if (key === '$ref') {
      if (own) return this.node(this.#merged(rest, this.#target(value, at), at), at);
      return this.#reference(value, at);
    }
    if (!Array.isArray(value) || value.length === 0)
      throw wrong(`${at}.${key}`, 'expected a list of schemas.');
    if (key === 'allOf') {
      const parts = value.map((part, i) => this.#resolved(part, `${at}.allOf[${i}]`));
      const merged = parts.reduce<Schema>(
        (sum, part) => this.#merged(sum, part, `${at}.allOf`),
        rest,
      );
      return this.node(merged, at);
    }
    const branches = value.map((branch: unknown, i) =>
      own
        ? this.#merged(rest, this.#resolved(branch, `${at}.${key}[${i}]`), `${at}.${key}`)
        : branch,
    );
    if (key === 'oneOf' && !this.#lenient && !this.#exclusive(branches, `${at}.oneOf`))
      throw wrong(
        `${at}.oneOf`,
        "branches that may overlap are not supported: write 'anyOf', or give each a 'type' or a required property with a 'const' of its own.",
      );
    return any(...branches.map((branch, i) => this.node(branch, `${at}.${key}[${i}]`)));
  }

  /** Both at once: possible where they do not speak about the same keyword. */
  #merged(a: Schema, b: unknown, at: string): Schema {
    if (!isObject(b)) throw wrong(at, 'expected an object schema beside other keywords.');
    const clash = [...RESTRICTING, ...COMBINING].find(
      (key) =>
        a[key] !== undefined &&
        b[key] !== undefined &&
        !['properties', 'required'].includes(key) &&
        JSON.stringify(a[key]) !== JSON.stringify(b[key]),
    );
    const [mine, theirs] = [a['properties'] ?? {}, b['properties'] ?? {}] as [Schema, Schema];
    const both = Object.keys(mine).find((name) => Object.hasOwn(theirs, name));
    if (clash !== undefined || both !== undefined)
      throw wrong(at, `'${clash ?? both}' is restricted twice, which is not supported.`);
    const required = [...list(a['required']), ...list(b['required'])];
    const properties = { ...mine, ...theirs };
    return {
      ...a,
      ...b,
      ...(required.length > 0 && { required }),
      ...(Object.keys(properties).length > 0 && { properties }),
    };
  }

  #exclusive(branches: readonly unknown[], at: string): boolean {
    const schemas = branches.map((branch) => this.#resolved(branch, at));
    const disjoint = (values: readonly (readonly unknown[] | null)[]) => {
      if (values.some((value) => value === null)) return false;
      const flat = values.flat().map((value) => JSON.stringify(value));
      return new Set(flat).size === flat.length;
    };
    const allowed = (schema: unknown) =>
      !isObject(schema)
        ? null
        : schema['const'] !== undefined
          ? [schema['const']]
          : ((schema['enum'] as unknown[] | undefined) ?? null);
    if (disjoint(schemas.map(allowed))) return true;
    const types = schemas.map((schema) =>
      schema['type'] === undefined ? null : [schema['type']].flat(),
    );
    // Every integer is a number too.
    if (disjoint(types.map((t) => t?.map((x) => (x === 'integer' ? 'number' : x)) ?? null)))
      return true;
    const tags = list(schemas[0]?.['required']) as string[];
    return tags.some((tag) =>
      disjoint(
        schemas.map((schema) =>
          list(schema['required']).includes(tag)
            ? allowed(this.#resolved((schema['properties'] as Schema | undefined)?.[tag] ?? {}, at))
            : null,
        ),
      ),
    );
  }

  #resolved(schema: unknown, at: string): Schema {
    let found = schema;
    for (let i = 0; isObject(found) && typeof found['$ref'] === 'string' && i < 32; i++)
      found = this.#target(found['$ref'], at);
    if (!isObject(found)) throw wrong(at, 'expected a schema object.');
    return found;
  }

  #reference(ref: unknown, at: string): Node {
    const target = this.#target(ref, at);
    const pointer = String(ref);
    let name = this.#refs.get(pointer);
    if (name === undefined) {
      name = `${this.#prefix}ref${this.#refs.size}`;
      this.#refs.set(pointer, name); // before its content, which may refer to it
      this.rules.set(name, EMPTY);
      this.rules.set(
        name,
        this.node(target, `${this.#param}${pointer.slice(1).replaceAll('/', '.')}`),
      );
    }
    return rule(name);
  }

  #target(ref: unknown, at: string): unknown {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref))
      throw wrong(`${at}.$ref`, "only references within the schema work, such as '#/$defs/name'.");
    const steps = ref.split('/').slice(1);
    const target = steps.reduce<unknown>((value, step) => {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Schema)[key]
        : undefined;
    }, this.#root);
    if (target === undefined) throw wrong(`${at}.$ref`, `'${ref}' is not in the schema.`);
    return target;
  }

  #enum(schema: Schema, at: string): Node {
    const values = schema['enum'];
    if (!Array.isArray(values) || values.length === 0)
      throw wrong(`${at}.enum`, 'expected a list of values.');
    const types = schema['type'] === undefined ? null : [schema['type']].flat();
    const fitting = values.filter(
      (value) => types === null || types.some((type) => isA(value, type)),
    );
    if (fitting.length === 0)
      throw wrong(`${at}.enum`, `no value is of the type ${types?.join(', ')}.`);
    return any(...fitting.map(json));
  }

  #typed(type: unknown, schema: Schema, at: string): Node {
    switch (type) {
      case 'any':
        return rule('value');
      case 'null':
        return text('null');
      case 'boolean':
        return any(text('true'), text('false'));
      case 'string':
        return this.#string(schema, at);
      case 'integer':
      case 'number':
        return numeric(type, schema, at);
      case 'array':
        return this.#array(schema, at);
      case 'object':
        return this.#object(schema, at);
      default:
        throw wrong(`${at}.type`, `${JSON.stringify(type)} is no type of JSON Schema.`);
    }
  }

  #string(schema: Schema, at: string): Node {
    const { format } = schema;
    const [min, max] = [size(schema, 'minLength', at) ?? 0, size(schema, 'maxLength', at)];
    checkOrder(min, max, `${at}.maxLength`);
    const inner = FORMATS[String(format)];
    if (typeof format === 'string' && !(this.#lenient && (inner === undefined || max !== null))) {
      if (inner === undefined) throw refused(`${at}.format`, `format '${format}'`);
      if (min > 0 || max !== null)
        throw wrong(`${at}.format`, "it cannot be combined with 'minLength' or 'maxLength'.");
      return all(QUOTE, inner, QUOTE);
    }
    if (min === 0 && max === null) return rule('string');
    return all(QUOTE, many(rule('char'), min, max), QUOTE);
  }

  #array(schema: Schema, at: string): Node {
    const prefix = schema['prefixItems'] ?? (Array.isArray(schema['items']) ? schema['items'] : []);
    const items = Array.isArray(schema['items'])
      ? (schema['additionalItems'] ?? true)
      : schema['items'];
    const first = list(prefix).map((item, i) => this.node(item, `${at}.prefixItems[${i}]`));
    const [min, max] = [size(schema, 'minItems', at) ?? 0, size(schema, 'maxItems', at)];
    checkOrder(min, max, `${at}.maxItems`);
    const rest =
      items === false || max === first.length ? null : this.node(items ?? true, `${at}.items`);
    if (max !== null && max < first.length)
      throw wrong(`${at}.maxItems`, "fewer than 'prefixItems' are not supported.");
    if (rest === null && min > first.length)
      throw wrong(`${at}.minItems`, 'no array is that long.');
    const comma = all(text(','), SPACE);
    const more = (node: Node) => {
      const [least, most] = [
        Math.max(0, min - first.length),
        max === null ? null : max - first.length,
      ];
      if (first.length > 0) return many(all(comma, node), least, most);
      const some = all(
        node,
        many(all(comma, node), Math.max(0, least - 1), most === null ? null : most - 1),
      );
      return least === 0 ? maybe(some) : some;
    };
    const head = first.flatMap((node, i) => (i === 0 ? [node] : [comma, node]));
    const tail = rest === null ? [] : [more(rest)];
    return all(text('['), SPACE, ...head, ...tail, SPACE, text(']'));
  }

  #object(schema: Schema, at: string): Node {
    const properties = schema['properties'] ?? {};
    if (!isObject(properties)) throw wrong(`${at}.properties`, 'expected an object.');
    const names = Object.keys(properties);
    const required = list(schema['required']) as string[];
    if (required.some((name) => typeof name !== 'string'))
      throw wrong(`${at}.required`, 'expected names of properties.');
    const extra = schema['additionalProperties'];
    const unknown = required.find((name) => !names.includes(name));
    if (names.length === 0 && unknown === undefined) {
      if (extra === false) return all(text('{'), SPACE, text('}'));
      if (extra === undefined || extra === true) return rule('object');
      const value = this.node(extra, `${at}.additionalProperties`);
      const pair = all(rule('string'), text(':'), SPACE, value);
      const pairs = all(pair, many(all(text(','), SPACE, pair), 0, null));
      return all(text('{'), SPACE, maybe(pairs), SPACE, text('}'));
    }
    // A required name that nothing describes may have any value.
    const described: (readonly [string, unknown])[] = [
      ...Object.entries(properties),
      ...required
        .filter((name) => !names.includes(name))
        .map((name) => [name, extra ?? true] as const),
    ];
    const pairs = described.map(([name, value]) => ({
      needed: required.includes(name),
      node: all(json(name), text(':'), SPACE, this.node(value, `${at}.properties.${name}`)),
    }));
    return all(text('{'), SPACE, inOrder(pairs), SPACE, text('}'));
  }
}

/** Pairs in the order of the schema, with commas between those that are there. */
function inOrder(pairs: readonly { readonly needed: boolean; readonly node: Node }[]): Node {
  const comma = all(text(','), SPACE);
  const after = (from: number) =>
    pairs.slice(from).map(({ needed, node }) => {
      const next = all(comma, node);
      return needed ? next : maybe(next);
    });
  const ways: Node[] = [];
  for (const [i, { needed, node }] of pairs.entries()) {
    ways.push(all(node, ...after(i + 1)));
    if (needed) return any(...ways);
  }
  return any(...ways, EMPTY);
}

function numeric(type: 'integer' | 'number', schema: Schema, at: string): Node {
  const bound = (key: string) => {
    const value = schema[key];
    if (value === undefined || typeof value === 'boolean') return null;
    if (typeof value !== 'number') throw wrong(`${at}.${key}`, 'expected a number.');
    return value;
  };
  const side = (plain: string, exclusive: string, pick: (...values: number[]) => number) => {
    const [a, b] = [bound(plain), bound(exclusive)];
    if (schema[exclusive] === true) return { value: a, open: true }; // draft 4
    if (b === null) return { value: a, open: false };
    return a === null ? { value: b, open: true } : { value: pick(a, b), open: pick(a, b) === b };
  };
  const low = side('minimum', 'exclusiveMinimum', Math.max);
  const high = side('maximum', 'exclusiveMaximum', Math.min);
  const range = { min: low.value, max: high.value, openMin: low.open, openMax: high.open };
  const node = type === 'integer' ? integer(range) : number(range);
  if (node === null) throw wrong(at, `no ${type} lies between its bounds.`);
  return node;
}

function size(schema: Schema, key: string, at: string): number | null {
  const value = schema[key];
  if (value === undefined) return null;
  if (!Number.isInteger(value) || (value as number) < 0)
    throw wrong(`${at}.${key}`, 'expected a whole number.');
  if ((value as number) > MAX_REPEAT)
    throw wrong(`${at}.${key}`, `at most ${MAX_REPEAT} is supported.`);
  return value as number;
}

function checkOrder(min: number, max: number | null, at: string): void {
  if (max !== null && max < min) throw wrong(at, 'it is smaller than the minimum.');
}

function impliedType(schema: Schema): string {
  if (schema['properties'] !== undefined || schema['required'] !== undefined) return 'object';
  if (schema['additionalProperties'] !== undefined) return 'object';
  if (schema['items'] !== undefined || schema['prefixItems'] !== undefined) return 'array';
  const keys = Object.keys(schema);
  if (keys.some((key) => ['minLength', 'maxLength', 'format'].includes(key))) return 'string';
  return keys.some((key) => /imum$/.test(key)) ? 'number' : 'any';
}

function isA(value: unknown, type: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

const json = (value: unknown): Node => text(JSON.stringify(value));
const list = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const wrong = (param: string, message: string) =>
  new CodedError('invalid_schema', `Invalid schema at '${param}': ${message}`, { param });
const refused = (param: string, what: string) =>
  new CodedError('unsupported_schema', `Invalid schema at '${param}': ${what} is not supported.`, {
    param,
  });
