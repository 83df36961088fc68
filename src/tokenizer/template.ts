// Chat template (Jinja) → text, with the exact place of every message's content in it. Templates are
// programs that may trim, fold or repeat what they are given, so places are found by rendering again
// with marks instead of contents, and believed only where both renderings agree around the mark.
import { Template } from '@huggingface/jinja';
import { type Message, type TemplateMessage, toTemplateMessage } from './messages.ts';
import { spellOutTools } from './tools.ts';

export type RenderOptions = {
  readonly addGenerationPrompt: boolean;
  readonly tools?: readonly unknown[];
  readonly bosToken?: string | null;
  readonly eosToken?: string | null;
  /** More that this template looks at: what is sent to others as `chat_template_kwargs`. */
  readonly values?: Readonly<Record<string, unknown>>;
};

/** `message` is the index in the conversation; offsets are UTF-16 units of the text. */
export type ContentSpan = {
  readonly message: number;
  readonly start: number;
  readonly end: number;
};
export type Rendered = { readonly text: string; readonly contents: readonly ContentSpan[] };

/** What a template refused or could not print; the message is for the person who wrote the rows. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

export function renderChat(
  template: string,
  conversation: readonly Message[],
  options: RenderOptions,
): Rendered {
  try {
    return rendered(template, conversation, options);
  } catch (error) {
    // Arguments and descriptions of tools are JSON, which is printed by recursion.
    if (error instanceof RangeError) throw new TemplateError('it is nested too deep to be printed');
    throw error;
  }
}

function rendered(
  template: string,
  conversation: readonly Message[],
  options: RenderOptions,
): Rendered {
  const inputs = conversation.map(toTemplateMessage);
  const { tools = [], ...without } = options;
  const talk = tools.length > 0 || inputs.some(isToolTalk);
  if (!talk || knowsTools(template, tools.length > 0)) {
    const text = render(template, inputs, options);
    return { text, contents: contentSpans(template, inputs, options, text) };
  }
  const { messages, inserted } = spellOutTools(inputs, tools);
  const text = render(template, messages, without);
  const spans = contentSpans(template, messages, without, text);
  // What stands in front is plain text too, but no message of the conversation.
  return { text, contents: spans.map((span) => ({ ...span, message: span.message - inserted })) };
}

const isToolTalk = ({ role, tool_calls: calls }: TemplateMessage) =>
  role === 'tool' || calls !== undefined;

const known = new Map<string, { readonly tools: boolean; readonly calls: boolean }>();

/** Whether a template prints calls and their results, and, if there are any, descriptions of tools.
 *  Asked of a fixed conversation, so that a prompt and its whole row get the same answer. */
function knowsTools(template: string, withTools: boolean): boolean {
  let answer = known.get(template);
  if (answer === undefined) {
    answer = { tools: printsTools(template), calls: printsCalls(template) };
    known.set(template, answer);
  }
  return answer.calls && (answer.tools || !withTools);
}

const QUESTION: TemplateMessage = { role: 'user', content: 'question' };
const PROBE = { addGenerationPrompt: true, bosToken: '<s>', eosToken: '</s>' };

function printsTools(template: string): boolean {
  const described = {
    name: 'probe',
    description: 'd',
    parameters: { type: 'object', properties: {} },
  };
  const tools = [{ type: 'function', function: described }];
  const withTools = tryRender(template, [QUESTION], { ...PROBE, tools });
  return withTools !== null && withTools !== tryRender(template, [QUESTION], PROBE);
}

function printsCalls(template: string): boolean {
  // Nine letters and digits: some templates insist.
  const id = 'call00000';
  const call = { id, type: 'function', function: { name: 'probe_name', arguments: { a: 'b' } } };
  const result: TemplateMessage = {
    role: 'tool',
    content: 'probe result',
    tool_call_id: id,
    name: 'probe_name',
  };
  const asked = [QUESTION, { role: 'assistant', content: '', tool_calls: [call] }];
  const text = tryRender(template, [...asked, result], PROBE);
  return text?.includes('probe_name') === true && text.includes('probe result');
}

function render(
  source: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
): string {
  const template = compiled(source);
  try {
    return template.render({
      ...options.values,
      messages: wantsParts(source) ? messages.map(inParts) : messages,
      add_generation_prompt: options.addGenerationPrompt,
      bos_token: options.bosToken ?? '',
      eos_token: options.eosToken ?? '',
      ...(options.tools !== undefined && options.tools.length > 0 && { tools: options.tools }),
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TemplateError(`The chat template of this model refuses the messages: ${reason}`, {
      cause,
    });
  }
}

const inParts = (message: TemplateMessage) =>
  message.content === null
    ? message
    : { ...message, content: [{ type: 'text', text: message.content }] };

const partsWanted = new Map<string, boolean>();

/** Templates of models that see images (and Llama Guard's) loop over the parts of a content; a string has
 *  none, so nothing of it would be printed. */
function wantsParts(source: string): boolean {
  const known = partsWanted.get(source);
  if (known !== undefined) return known;
  const prints = (message: unknown) => {
    try {
      const values = { messages: [message], bos_token: '', eos_token: '' };
      return compiled(source).render(values).includes(QUESTION.content!);
    } catch {
      return false;
    }
  };
  const answer = !prints(QUESTION) && prints(inParts(QUESTION));
  partsWanted.set(source, answer);
  return answer;
}

const templates = new Map<string, Template>();
function compiled(source: string): Template {
  const known = templates.get(source);
  if (known !== undefined) return known;
  try {
    const template = new Template(source);
    templates.set(source, template);
    return template;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TemplateError(`The chat template of this model cannot be read: ${reason}`, { cause });
  }
}

function contentSpans(
  template: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
  text: string,
): ContentSpan[] {
  const mark = markFor(text);
  const marked = (wanted: (i: number) => boolean) =>
    messages.map((message, i) =>
      message.content !== null && wanted(i) ? { ...message, content: mark(i) } : message,
    );
  const once = tryRender(
    template,
    marked(() => true),
    options,
  );
  const all = once === null ? null : alignAll(once, text, messages, mark);
  if (all !== null) return all;
  // One at a time: the text before and after the mark is the real one, whatever the template does to it.
  return messages.flatMap((message, i) => {
    if (message.content === null) return [];
    const alone = tryRender(
      template,
      marked((j) => j === i),
      options,
    );
    const [before, after, ...more] = alone?.split(mark(i)) ?? [];
    const fits =
      before !== undefined &&
      after !== undefined &&
      more.length === 0 &&
      before.length + after.length <= text.length &&
      text.startsWith(before) &&
      text.endsWith(after);
    if (fits) return [{ message: i, start: before.length, end: text.length - after.length }];
    if (message.content === '') return []; // printed in another way than a content that is there
    throw new TemplateError(
      `The chat template of this model does not print the content of message ${i} (role ` +
        `'${message.role}') in one place, so it cannot be told apart from the template's own text.`,
    );
  });
}

/** Walks the marked rendering and the real one side by side; null where they do not agree. */
function alignAll(
  marked: string,
  text: string,
  messages: readonly TemplateMessage[],
  mark: (i: number) => string,
): ContentSpan[] | null {
  const spans: ContentSpan[] = [];
  let from = 0;
  let at = 0;
  for (const [i, { content }] of messages.entries()) {
    if (content === null) continue;
    const found = marked.indexOf(mark(i), from);
    if (found < 0 || marked.indexOf(mark(i), found + 1) >= 0) return null;
    const literal = marked.slice(from, found);
    if (!text.startsWith(literal, at)) return null;
    at += literal.length;
    from = found + mark(i).length;
    // Many templates trim what they print.
    const printed = [content, content.trim()].find((form) => text.startsWith(form, at));
    if (printed === undefined) return null;
    spans.push({ message: i, start: at, end: at + printed.length });
    at += printed.length;
  }
  return text.slice(at) === marked.slice(from) ? spans : null;
}

function tryRender(
  template: string,
  messages: readonly TemplateMessage[],
  options: RenderOptions,
): string | null {
  try {
    return render(template, messages, options);
  } catch (error) {
    if (error instanceof TemplateError) return null;
    throw error;
  }
}

/** Private-use characters that the text itself does not hold. */
function markFor(text: string) {
  let edge = '\uE000';
  while (text.includes(edge)) edge += '\uE001';
  return (i: number) => `${edge}${i}\uE002`;
}
