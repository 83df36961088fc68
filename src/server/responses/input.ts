// The items of a /v1/responses request as the messages and tools that a chat model is asked with.
import { newId } from '../../lib/id.ts';
import { findItem, getResponse, type Item } from '../../store/responses.ts';
import type { Deps } from '../deps.ts';
import { invalidValue, previousNotFound, unsupported } from '../errors.ts';
import type { PlainMessage } from '../schemas/chat-completions.ts';
import type { Content, InputItem, Question } from '../schemas/responses.ts';
import { type Tools, toolsOf } from '../schemas/tools.ts';

/** The first `inherited` items come from earlier responses. */
export type Conversation = { readonly items: readonly Item[]; readonly inherited: number };

export async function conversationOf(
  { input, previous_response_id: previous }: Question,
  { store }: Pick<Deps, 'store'>,
): Promise<Conversation> {
  const { query } = store.database;
  const earlier: Item[] = [];
  if (previous !== undefined) {
    const row = previous.includes('\0') ? null : await getResponse(query, previous);
    if (row === null) throw previousNotFound(previous);
    earlier.push(...row.input, ...row.body.output);
  }
  const given: readonly InputItem[] =
    typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : input;
  const own: Item[] = [];
  for (const [i, item] of given.entries()) {
    if (item.type !== 'item_reference') {
      own.push(withId(item, i));
      continue;
    }
    const known =
      [...earlier, ...own].find(({ id }) => id === item.id) ?? (await findItem(query, item.id));
    if (known === null) throw invalidValue(`input[${i}].id`, `there is no item '${item.id}'.`);
    if (!earlier.includes(known)) own.push(known);
  }
  return { items: [...earlier, ...own], inherited: earlier.length };
}

const PREFIX = {
  message: 'msg_',
  function_call: 'fc_',
  function_call_output: 'fco_',
  reasoning: 'rs_',
};

function withId(item: Exclude<InputItem, { type: 'item_reference' }>, i: number): Item {
  const given = 'id' in item && typeof item['id'] === 'string' ? item['id'] : null;
  const id = given ?? newId(PREFIX[item.type], 48);
  if (item.type !== 'message') return { ...item, id };
  const content = item.role === 'assistant' ? 'output_text' : 'input_text';
  textOf(item.content, `input[${i}].content`); // refuse now what cannot be read
  const parts =
    typeof item.content === 'string' ? [{ type: content, text: item.content }] : item.content;
  return { ...item, id, status: 'completed', content: parts };
}

export function messagesOf(
  items: readonly Item[],
  instructions: string | undefined,
): PlainMessage[] {
  const messages: PlainMessage[] =
    instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  for (const [i, raw] of items.entries()) {
    const item = raw as unknown as InputItem;
    if (item.type === 'message') {
      messages.push({ role: item.role, content: textOf(item.content, `input[${i}].content`) });
    } else if (item.type === 'function_call_output') {
      const content = textOf(item.output, `input[${i}].output`);
      messages.push({ role: 'tool', content, tool_call_id: item.call_id });
    } else if (item.type === 'function_call') {
      const { call_id: id, name, arguments: args } = item;
      const call = { id, type: 'function', function: { name, arguments: args } };
      const last = messages.at(-1);
      // Text and calls of one turn are one message.
      if (last?.role === 'assistant')
        messages[messages.length - 1] = { ...last, tool_calls: [...callsOf(last), call] };
      else messages.push({ role: 'assistant', content: null, tool_calls: [call] });
    }
  }
  if (messages.length === 0) throw invalidValue('input', 'it has no message.');
  return messages;
}

const callsOf = ({ tool_calls: calls }: PlainMessage) => (Array.isArray(calls) ? calls : []);

const TEXT_PARTS = ['input_text', 'output_text', 'text'];

function textOf(content: Content, at: string): string {
  if (typeof content === 'string') return content;
  const texts = content.map((part, i) => {
    const text = TEXT_PARTS.includes(part.type) ? part.text : part.refusal;
    if (text !== undefined) return text;
    if ([...TEXT_PARTS, 'refusal'].includes(part.type))
      throw invalidValue(`${at}[${i}]`, 'expected a text.');
    throw unsupported(`${at}[${i}].type`, `'${part.type}'; this model reads text only`);
  });
  return texts.join('');
}

/** The flat tools and formats of this endpoint in the words of chat completions. */
export function constraintsOf(question: Question) {
  const { tool_choice: choice, text, tools, parallel_tool_calls } = question;
  const { format } = text;
  const schema = format.type === 'json_schema' ? format.schema : null;
  const param = schema === null ? 'text.format' : 'text.format.schema';
  const lenient = format.type === 'json_schema' && format.strict === false;
  const json = format.type === 'text' ? {} : { json: { schema, param, lenient } };
  const named = ({ name }: { name: string }) => ({
    type: 'function' as const,
    function: { name },
  });
  const tool_choice =
    typeof choice === 'string'
      ? choice
      : choice.type === 'function'
        ? named(choice)
        : {
            type: choice.type,
            allowed_tools: { mode: choice.mode, tools: choice.tools.map(named) },
          };
  const called = toolsOf({
    tools: tools.map(({ type: kind, ...described }) => ({ type: kind, function: described })),
    tool_choice,
    parallel_tool_calls,
    functions: [],
  });
  return { ...json, tools: called && flat(called) };
}

const flat = (tools: Tools): Tools => ({
  ...tools,
  list: tools.list.map((tool) => ({ ...tool, param: tool.param.replace(/\.function$/, '') })),
});
