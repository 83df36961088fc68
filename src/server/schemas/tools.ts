// tools and tool_choice of chat completions, with their older spelling functions and function_call.
import { z } from 'zod';
import type { SampleRequest } from '../../serve/protocol.ts';
import { invalidValue } from '../errors.ts';
import { nullFree } from './common.ts';

const MAX_TOOLS = 128;

export const FunctionName = z
  .string()
  .regex(/^[\w-]{1,64}$/, 'expected at most 64 letters, digits, _ or -');
const Parameters = z.record(z.string(), z.unknown());
const Described = nullFree(
  z.looseObject({
    name: FunctionName,
    description: z.string().optional(),
    parameters: Parameters.optional(),
    strict: z.boolean().optional(),
  }),
);
const Named = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({ name: z.string() }),
});

export const toolsShape = {
  tools: z
    .array(z.looseObject({ type: z.literal('function'), function: Described }))
    .max(MAX_TOOLS)
    .default([]),
  tool_choice: z
    .union([
      z.enum(['none', 'auto', 'required']),
      z.discriminatedUnion('type', [
        Named,
        z.looseObject({
          type: z.literal('allowed_tools'),
          allowed_tools: z.looseObject({
            mode: z.enum(['auto', 'required']),
            tools: z.array(Named).min(1),
          }),
        }),
      ]),
    ])
    .optional(),
  parallel_tool_calls: z.boolean().default(true),
  functions: z.array(Described).max(MAX_TOOLS).default([]),
  function_call: z
    .union([z.enum(['none', 'auto']), z.looseObject({ name: z.string() })])
    .optional(),
};

const Body = z.object(toolsShape);
type Body = z.infer<typeof Body>;
export type Tools = NonNullable<SampleRequest['tools']>;

/** Undefined: nothing can be called. */
export function toolsOf(body: Body): Tools | undefined {
  const older = body.functions.map((described, i) => listed(described, `functions[${i}]`));
  const list = [
    ...body.tools.map((tool, i) => listed(tool.function, `tools[${i}].function`)),
    ...older,
  ];
  const twice = list.find(({ name }, i) => list.findIndex((other) => other.name === name) < i);
  if (twice !== undefined) throw invalidValue(twice.param, `'${twice.name}' is defined twice.`);
  const choice = choiceOf(body);
  if (list.length === 0 && choice.required)
    throw invalidValue(choice.param, "it needs 'tools' to choose from.");
  const unknown = choice.names?.find((name) => !list.some((tool) => tool.name === name));
  if (unknown !== undefined && list.length > 0)
    throw invalidValue(choice.param, `'${unknown}' is not among the tools.`);
  if (list.length === 0 || choice.names?.length === 0) return undefined;
  const described = [
    ...body.tools,
    ...body.functions.map((one) => ({ type: 'function', function: one })),
  ];
  const { names, required } = choice;
  // One call at a time is all that the older form can say, and all that a named choice asks for.
  const single = body.functions.length > 0 || (required && names?.length === 1);
  return { described, list, names, required, parallel: body.parallel_tool_calls && !single };
}

type Choice = {
  readonly names: string[] | null;
  readonly required: boolean;
  readonly param: string;
};

function choiceOf({ tool_choice: choice, function_call: call }: Body): Choice {
  if (choice === undefined && call !== undefined) {
    const names = call === 'none' ? [] : call === 'auto' ? null : [call.name];
    return { names, required: typeof call === 'object', param: 'function_call' };
  }
  const param = 'tool_choice';
  if (choice === undefined || choice === 'auto') return { names: null, required: false, param };
  if (choice === 'none') return { names: [], required: false, param };
  if (choice === 'required') return { names: null, required: true, param };
  if (choice.type === 'function') return { names: [choice.function.name], required: true, param };
  const { mode, tools } = choice.allowed_tools;
  return { names: tools.map((tool) => tool.function.name), required: mode === 'required', param };
}

function listed({ name, parameters, strict }: z.infer<typeof Described>, param: string) {
  return { name, parameters, strict, param };
}
