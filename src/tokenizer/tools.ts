// Tools in conversations of models whose template knows none: described in the system message, called
// and answered in tagged text. One form for training and serving; docs/reference/tool-calls.md shows it.
import type { TemplateMessage } from './messages.ts';

/** `inserted`: messages in front that the conversation does not have. */
export type Spelled = { readonly messages: readonly TemplateMessage[]; readonly inserted: 0 | 1 };

export function spellOutTools(
  messages: readonly TemplateMessage[],
  tools: readonly unknown[],
): Spelled {
  const spelled = messages.map(spellOut);
  if (tools.length === 0) return { messages: spelled, inserted: 0 };
  const [first, ...rest] = spelled;
  const described = describe(tools);
  if (first?.role !== 'system')
    return { messages: [{ role: 'system', content: described }, ...spelled], inserted: 1 };
  const content = first.content ? `${first.content}\n\n${described}` : described;
  return { messages: [{ ...first, content }, ...rest], inserted: 0 };
}

function describe(tools: readonly unknown[]): string {
  const lines = tools.map((tool) =>
    JSON.stringify((tool as { function?: unknown }).function ?? tool),
  );
  // Few words: with a small vocabulary every character is a token.
  return `Functions:
${lines.join('\n')}
To call one: <tool_call>{"name": "...", "arguments": {...}}</tool_call>`;
}

function spellOut(message: TemplateMessage): TemplateMessage {
  if (message.role === 'tool')
    return {
      role: 'user',
      content: `<tool_response>${message.content ?? ''}</tool_response>`,
    };
  const { tool_calls: calls, ...rest } = message;
  if (calls === undefined) return message;
  const said = message.content ? [message.content] : [];
  return { ...rest, content: [...said, ...calls.map(spellCall)].join('\n') };
}

function spellCall(call: unknown): string {
  const { function: called } = call as { function: { name?: unknown; arguments?: unknown } };
  const { name, arguments: args } = called;
  return `<tool_call>{"name": ${JSON.stringify(name)}, "arguments": ${JSON.stringify(args ?? {})}}</tool_call>`;
}
