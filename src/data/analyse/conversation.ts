// Faults of a conversation that the API accepts and a model suffers from: turns in a strange order,
// calls without answers, arguments that are no JSON.
import { type ChatExample, isObject } from '../formats/chat.ts';

export type ConversationCode =
  | 'last_not_assistant'
  | 'assistant_first'
  | 'same_role_twice'
  | 'late_system'
  | 'no_user'
  | 'call_unanswered'
  | 'tool_undeclared'
  | 'tool_without_call'
  | 'arguments_not_json';

export function* conversationFaults({
  messages,
  tools,
  functions,
}: ChatExample): Generator<ConversationCode> {
  const talk = messages.filter(({ role }) => role !== 'system' && role !== 'developer');
  if (talk.length > 0 && talk.at(-1)!.role !== 'assistant') yield 'last_not_assistant';
  if (talk[0]?.role === 'assistant') yield 'assistant_first';
  if (!talk.some(({ role }) => role === 'user')) yield 'no_user';
  let twice = false;
  let late = false;
  for (let i = 1; i < messages.length; i++) {
    const [role, before] = [messages[i]!.role, messages[i - 1]!.role];
    if (role === before && (role === 'user' || role === 'assistant')) twice = true;
    if (
      (role === 'system' || role === 'developer') &&
      before !== 'system' &&
      before !== 'developer'
    )
      late = true;
  }
  if (twice) yield 'same_role_twice';
  if (late) yield 'late_system';
  yield* callFaults(messages, namesOf(tools, functions));
}

function namesOf(tools: ChatExample['tools'], functions: ChatExample['functions']) {
  const names = new Set<unknown>();
  for (const tool of tools ?? [])
    if (isObject(tool) && isObject(tool['function'])) names.add(tool['function']['name']);
  for (const item of functions ?? []) if (isObject(item)) names.add(item['name']);
  return names;
}

function* callFaults(
  messages: ChatExample['messages'],
  declared: ReadonlySet<unknown>,
): Generator<ConversationCode> {
  const faults = new Set<ConversationCode>();
  let open = new Set<unknown>();
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message['tool_call_id'])) faults.add('tool_without_call');
      continue;
    }
    // The last turn may end with a call: that is what is learned.
    if (open.size > 0) faults.add('call_unanswered');
    open = new Set();
    const calls = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as unknown[]) : [];
    for (const call of calls) {
      if (!isObject(call)) continue;
      open.add(call['id']);
      yieldCall(call['function']);
    }
    if (message['function_call']) yieldCall(message['function_call']);
  }
  function yieldCall(called: unknown) {
    if (!isObject(called)) return;
    if (!declared.has(called['name'])) faults.add('tool_undeclared');
    try {
      JSON.parse(String(called['arguments'] ?? ''));
    } catch {
      faults.add('arguments_not_json');
    }
  }
  yield* faults;
}
