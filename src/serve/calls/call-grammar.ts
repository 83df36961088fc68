// What a model may write when it calls: the form of its template around the names it may call and
// arguments that fit their schemas.
import { CodedError } from '../../lib/coded-error.ts';
import { all, any, type Grammar, many, type Node, rule, text } from '../grammar/grammar.ts';
import { jsonGrammar } from '../grammar/json-schema.ts';
import type { SampleRequest } from '../protocol.ts';
import type { CallForm } from './form.ts';

export type Tools = NonNullable<SampleRequest['tools']>;

export function callGrammar(
  { open, next, middle, close }: CallForm,
  { list, names, parallel }: Tools,
): Grammar {
  const rules = new Map<string, Node>();
  const ways: Node[] = [];
  for (const [i, tool] of list.entries()) {
    const { name, parameters, strict, param } = tool;
    if (names !== null && !names.includes(name)) continue;
    if (!callable(name, middle)) {
      const message = `Invalid value for '${param}': the name '${name}' cannot be told apart from the form of a call.`;
      throw new CodedError('invalid_value', message, { param });
    }
    const options = { prefix: `tool${i}`, lenient: strict !== true };
    const grammar = jsonGrammar(objectSchema(parameters), `${param}.parameters`, options);
    for (const [key, node] of grammar.rules) rules.set(key, node);
    ways.push(all(text(name), text(middle), grammar.root, text(close)));
  }
  rules.set('call', any(...ways));
  const more = parallel ? [many(all(text(next), rule('call')), 0, null)] : [];
  return { root: all(text(open), rule('call'), ...more), rules };
}

/** Arguments are an object whether the schema says so or not; without a schema there are none. */
function objectSchema(schema: unknown): unknown {
  if (schema === undefined) return { type: 'object', additionalProperties: false };
  if (typeof schema !== 'object' || schema === null) return schema;
  const says = ['type', '$ref', 'anyOf', 'oneOf', 'allOf'].some((key) =>
    Object.hasOwn(schema, key),
  );
  return says ? schema : { ...schema, type: 'object' };
}

const callable = (name: string, middle: string) => middle !== '' && !name.includes(middle);
