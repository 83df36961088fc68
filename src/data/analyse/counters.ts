// The format check of OpenAI's cookbook, under its seven names. The script counts a message without a
// role as an unknown role too, and one without content as missing content: `script` is its figure;
// `count` counts each fault once.
import { isObject } from '../formats/chat.ts';

export const COUNTERS = [
  'data_type',
  'missing_messages_list',
  'message_missing_key',
  'message_unrecognized_key',
  'unrecognized_role',
  'missing_content',
  'example_missing_assistant_message',
] as const;
export type CounterName = (typeof COUNTERS)[number];
export type Counter = { count: number; script: number; lines: number[] };

const MOST_LINES = 1000;

/** Allowed by today's format; the script knew role, content and name. */
const KEYS = new Set([
  'role',
  'content',
  'name',
  'weight',
  'tool_calls',
  'tool_call_id',
  'function_call',
  'refusal',
]);
const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool', 'function']);

export class FormatCounters {
  readonly counters = Object.fromEntries(
    COUNTERS.map((name) => [name, { count: 0, script: 0, lines: [] }]),
  ) as unknown as Record<CounterName, Counter>;

  #hit(name: CounterName, line: number, once = true): void {
    const counter = this.counters[name];
    counter.script += 1;
    if (!once) return;
    counter.count += 1;
    if (counter.lines.length < MOST_LINES && counter.lines.at(-1) !== line)
      counter.lines.push(line);
  }

  row(value: unknown, line: number): void {
    if (!isObject(value)) {
      this.#hit('data_type', line);
      return;
    }
    const messages = value['messages'];
    if (!Array.isArray(messages) || messages.length === 0) {
      this.#hit('missing_messages_list', line);
      return;
    }
    let assistant = false;
    for (const message of messages as unknown[]) {
      if (!isObject(message)) {
        this.#hit('message_missing_key', line);
        continue;
      }
      const { role, content } = message;
      const calls = message['tool_calls'] ?? message['function_call'];
      if (role === 'assistant') assistant = true;
      const complete = 'role' in message && ('content' in message || calls !== undefined);
      if (!complete) this.#hit('message_missing_key', line);
      for (const key in message)
        if (!KEYS.has(key)) {
          this.#hit('message_unrecognized_key', line);
          break;
        }
      if (!ROLES.has(role as string)) this.#hit('unrecognized_role', line, 'role' in message);
      const parts = Array.isArray(content) && content.length > 0;
      if (!parts && (typeof content !== 'string' || content === '') && calls === undefined)
        this.#hit('missing_content', line, 'content' in message);
    }
    if (!assistant) this.#hit('example_missing_assistant_message', line);
  }
}
