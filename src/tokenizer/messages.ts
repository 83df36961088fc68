// Chat messages as people send them (the API's shape) turned into what chat templates expect. Training
// and serving both come through here, so a model is asked in the form it was taught.

export type Message = {
  readonly role: string;
  readonly content?: unknown;
  readonly [key: string]: unknown;
};

export type TemplateMessage = {
  readonly role: string;
  readonly content: string | null;
  readonly name?: string;
  readonly tool_calls?: readonly unknown[];
  readonly tool_call_id?: string;
};

/** Throws a TypeError for content that is no text. `developer` is OpenAI's newer word for `system`;
 *  `function` and `function_call` are its older spelling of `tool` and `tool_calls`. */
export function toTemplateMessage(message: Message): TemplateMessage {
  const calls = toolCalls(message);
  const { name, tool_call_id: callId } = message;
  return {
    role: ROLES[message.role] ?? message.role,
    content: contentText(message.content),
    ...(typeof name === 'string' && { name }),
    ...(calls.length > 0 && { tool_calls: calls }),
    ...(typeof callId === 'string' && { tool_call_id: callId }),
  };
}

const ROLES: Readonly<Record<string, string>> = { developer: 'system', function: 'tool' };

/** Text of a content field: a string, or the API's list of text parts. */
export function contentText(content: unknown): string | null {
  if (content === null || content === undefined) return null;
  if (typeof content === 'string') return content;
  if (Array.isArray(content) && content.every(isTextPart))
    return content.map(({ text }) => text).join('');
  throw new TypeError('content must be a string or a list of text parts');
}

const isTextPart = (part: unknown): part is { type: 'text'; text: string } =>
  typeof part === 'object' &&
  part !== null &&
  'type' in part &&
  part.type === 'text' &&
  'text' in part &&
  typeof part.text === 'string';

/** Templates write the arguments as JSON themselves, so the API's JSON string is parsed. */
function toolCalls(message: Message): unknown[] {
  const calls = Array.isArray(message['tool_calls']) ? (message['tool_calls'] as unknown[]) : [];
  const old = message['function_call'];
  const all = old ? [...calls, { type: 'function', function: old }] : calls;
  return all.map((call) => {
    const { function: called, ...rest } = call as { function?: { arguments?: unknown } };
    return { ...rest, function: { ...called, arguments: parsed(called?.arguments) } };
  });
}

function parsed(json: unknown): unknown {
  if (typeof json !== 'string') return json;
  try {
    return JSON.parse(json);
  } catch {
    return json; // a model may have been taught to call with other text than JSON
  }
}
