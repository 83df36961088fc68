// POST /v1/chat/completions
import { z } from 'zod';
import type { SampleRequest } from '../../serve/protocol.ts';
import { invalidValue, unsupported } from '../errors.ts';
import { nullFree } from './common.ts';
import { accepted, notSupported, samplingShape } from './sampling.ts';
import { toolsShape } from './tools.ts';

const Part = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});

const Called = z.looseObject({ name: z.string(), arguments: z.string() });

const Message = nullFree(
  z.looseObject({
    role: z.enum(['developer', 'system', 'user', 'assistant', 'tool', 'function']),
    content: z.union([z.string(), z.array(Part)]).optional(),
    refusal: z.string().optional(),
    name: z.string().optional(),
    tool_calls: z
      .array(z.looseObject({ id: z.string(), type: z.literal('function'), function: Called }))
      .optional(),
    function_call: Called.optional(),
    tool_call_id: z.string().optional(),
  }),
);

const ResponseFormat = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    json_schema: nullFree(
      z.looseObject({
        name: z.string().regex(/^[\w-]{1,64}$/, 'expected at most 64 letters, digits, _ or -'),
        description: z.string().optional(),
        schema: z.record(z.string(), z.unknown()).optional(),
        strict: z.boolean().optional(),
      }),
    ),
  }),
]);
type ResponseFormat = z.infer<typeof ResponseFormat>;

export const CreateChatCompletion = z.looseObject({
  ...samplingShape,
  ...toolsShape,
  ...notSupported,
  // No answer could show these.
  ...accepted('user', 'safety_identifier', 'metadata', 'prompt_cache_key', 'service_tier'),
  ...accepted('prompt_cache_retention', 'reasoning_effort', 'verbosity', 'prediction'),
  messages: z.array(Message).min(1),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
  logprobs: z.boolean().default(false),
  top_logprobs: z.int().min(0).max(20).optional(),
  response_format: ResponseFormat.default({ type: 'text' }),
});
export type CreateChatCompletion = z.infer<typeof CreateChatCompletion>;

/** What the sampler is held to. A format without a schema means any object. */
export function jsonOf(format: ResponseFormat): Pick<SampleRequest, 'json'> {
  if (format.type === 'text') return {};
  if (format.type === 'json_object')
    return { json: { schema: null, param: 'response_format', lenient: false } };
  const { schema = null, strict } = format.json_schema;
  // Who says that a near fit will do gets one; who says nothing is told what cannot be kept.
  return {
    json: { schema, param: 'response_format.json_schema.schema', lenient: strict === false },
  };
}

export type PlainMessage = {
  readonly role: string;
  readonly content: string | null;
  readonly [key: string]: unknown;
};

/** The messages as the template takes them: contents are text. */
export const plainMessages = (messages: CreateChatCompletion['messages']): PlainMessage[] =>
  messages.map((message, i) => {
    const { role, name, tool_calls, function_call, tool_call_id } = message;
    const called = tool_calls?.length ? { tool_calls } : function_call ? { function_call } : {};
    const rest = { ...(name !== undefined && { name }), ...(tool_call_id && { tool_call_id }) };
    return { role, content: contentOf(message, i), ...rest, ...called };
  });

function contentOf(message: z.infer<typeof Message>, i: number): string | null {
  const { role, content = message.refusal } = message;
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return content.map((part, j) => textOf(part, i, j)).join('');
  if (role === 'assistant' && (message.tool_calls?.length || message.function_call)) return null;
  throw invalidValue(`messages[${i}].content`, 'expected a string or a list of text parts.');
}

function textOf(part: z.infer<typeof Part>, message: number, index: number): string {
  const at = `messages[${message}].content[${index}]`;
  const text = part.type === 'text' ? part.text : part.type === 'refusal' ? part.refusal : null;
  if (text === null)
    throw unsupported(`${at}.type`, `'${part.type}'; this model reads text parts only`);
  if (text === undefined) throw invalidValue(`${at}.${part.type}`, 'expected a string.');
  return text;
}
