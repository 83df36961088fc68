// The reinforcement format of a training line: {messages, any other keys}. The conversation ends before
// the answer, which the model gives itself; a grader reads the whole line, so that any key may be there.
import { type Finding, finding } from '../problems.ts';
import { conversationFindings, EXAMPLE_KEYS, isObject, nameOf } from './chat.ts';

type Json = Readonly<Record<string, unknown>>;

/** Whether a row means to be of this format: nobody has answered, and there is something to grade by. */
export function isReinforcement(row: Json): boolean {
  const { messages } = row;
  if (!Array.isArray(messages) || messages.length === 0) return false;
  if (messages.some((message) => isObject(message) && message['role'] === 'assistant')) {
    const last: unknown = messages.at(-1);
    if (!isObject(last) || last['role'] !== 'user') return false;
  }
  return Object.keys(row).some((key) => !EXAMPLE_KEYS.includes(key));
}

export function* reinforcementFindings(row: Json): Generator<Finding> {
  const own = Object.entries(row).filter(([key]) => EXAMPLE_KEYS.includes(key));
  yield* conversationFindings(Object.fromEntries(own));
  const form = row['response_format'];
  if (form !== undefined && form !== null && !isObject(form))
    yield finding('response_format', 'data.wrong_type', { expected: 'object', got: nameOf(form) });
}
