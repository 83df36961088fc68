// POST /v1/responses. Its tools and formats are those of chat completions without the inner object.
import { z } from 'zod';
import { unsupported } from '../errors.ts';
import { Metadata, nullFree } from './common.ts';
import { accepted } from './sampling.ts';
import { FunctionName } from './tools.ts';

const Part = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  refusal: z.string().optional(),
});
const Content = z.union([z.string(), z.array(Part)]);
export type Content = z.infer<typeof Content>;

const MessageItem = z.looseObject({
  type: z.literal('message').default('message'),
  role: z.enum(['developer', 'system', 'user', 'assistant']),
  content: Content,
});
const InputItem = z.union([
  nullFree(
    z.discriminatedUnion('type', [
      z.looseObject({
        type: z.literal('function_call'),
        call_id: z.string().min(1),
        name: z.string(),
        arguments: z.string(),
      }),
      z.looseObject({
        type: z.literal('function_call_output'),
        call_id: z.string().min(1),
        output: Content,
      }),
      z.looseObject({ type: z.literal('reasoning') }),
      z.looseObject({ type: z.literal('item_reference'), id: z.string() }),
    ]),
  ),
  nullFree(MessageItem),
]);
export type InputItem = z.infer<typeof InputItem>;

const Tool = nullFree(
  z.looseObject({
    type: z.literal('function'),
    name: FunctionName,
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    strict: z.boolean().optional(),
  }),
);
const Named = z.looseObject({ type: z.literal('function'), name: z.string() });

const Format = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  z.looseObject({
    type: z.literal('json_schema'),
    name: FunctionName,
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean().nullish(),
  }),
]);

/** What says how the model is asked: shared with /responses/input_tokens. */
const questionShape = {
  model: z.string().min(1),
  input: z.union([z.string(), z.array(InputItem).min(1)]),
  instructions: z.string().optional(),
  tools: z.array(Tool).max(128).default([]),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.discriminatedUnion('type', [
        Named,
        z.looseObject({
          type: z.literal('allowed_tools'),
          mode: z.enum(['auto', 'required']),
          tools: z.array(Named).min(1),
        }),
      ]),
    ])
    .default('auto'),
  parallel_tool_calls: z.boolean().default(true),
  text: nullFree(z.looseObject({ format: Format.default({ type: 'text' }) })).default({
    format: { type: 'text' },
  }),
  previous_response_id: z.string().optional(),
};
export const CountInputTokens = z.looseObject(questionShape);

export const CreateResponse = z.looseObject({
  ...questionShape,
  max_output_tokens: z.int().min(16).optional(),
  temperature: z.number().min(0).max(2).default(1),
  top_p: z.number().min(0).max(1).default(1),
  top_logprobs: z.int().min(0).max(20).default(0),
  include: z.array(z.string()).default([]),
  store: z.boolean().default(true),
  stream: z.boolean().default(false),
  background: z.boolean().default(false),
  metadata: Metadata.default({}),
  truncation: z.enum(['auto', 'disabled']).default('disabled'),
  ...accepted('conversation', 'prompt'),
  // The answer repeats them; nothing else could show them. Calls are those of built-in tools.
  user: z.string().optional(),
  safety_identifier: z.string().optional(),
  prompt_cache_key: z.string().optional(),
  max_tool_calls: z.int().min(0).optional(),
  // No answer could show these.
  ...accepted('reasoning', 'service_tier', 'stream_options', 'prompt_cache_retention'),
});
export type CreateResponse = z.infer<typeof CreateResponse>;
export type Question = Pick<CreateResponse, keyof typeof questionShape>;

export const LOGPROBS = 'message.output_text.logprobs';
const NOT_YET: Readonly<Record<string, string>> = {
  conversation: "send 'previous_response_id' or the items themselves",
  prompt: "send 'instructions' and 'input'",
};

export function checkResponse(body: CreateResponse): void {
  for (const [param, hint] of Object.entries(NOT_YET))
    if (body[param] !== undefined) throw unsupported(param, hint);
  if (body.background && body.stream)
    throw unsupported('background', "together with 'stream'; leave one of them out");
  if (body.background && !body.store)
    throw unsupported('background', "without 'store', since nobody could read the answer");
}
